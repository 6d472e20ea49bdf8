# ops.json: every op on small shapes, outputs and gradients in full.
# Invariant: float64 on float32-rounded inputs; attributes are written in this package's conventions.
import numpy as np
import torch
import torch.nn.functional as F

from generators import (
    dropout_keep,
    hash_array,
    hash_labels,
    hash_spec,
    hash_uniform,
    philox4x32,
    philox_gaussian,
    philox_uniform,
)


def leaf(spec):
    return torch.from_numpy(hash_array(spec)).double().requires_grad_()


def full(tensor):
    array = tensor.detach().numpy() if isinstance(tensor, torch.Tensor) else np.asarray(tensor)
    return {'shape': list(array.shape), 'data': array.reshape(-1).tolist()}


def case(name, forward, inputs, seed, attributes=None):
    """Runs forward(*inputs) and its gradients under a hashed dy; the gradient of `x` is called `dx`."""
    leaves = {key: leaf(spec) for key, spec in inputs.items()}
    y = forward(*leaves.values())
    dy = hash_spec(y.shape, seed)
    y.backward(torch.from_numpy(hash_array(dy)).double())
    outputs = {'y': full(y), **{f'd{key}': full(value.grad) for key, value in leaves.items()}}
    return {'name': name, 'inputs': {**inputs, 'dy': dy}, 'attributes': attributes or {}, 'outputs': outputs}


def extent(pair):
    return {'h': pair[0], 'w': pair[1]}


def sides(top, bottom, left, right):
    return {'top': top, 'bottom': bottom, 'left': left, 'right': right}


def conv2d_case(name, x, w, seed, stride=(1, 1), padding=(0, 0, 0, 0), groups=1, bias=True, relu=False):
    top, bottom, left, right = padding

    def forward(x, w, b=None):
        y = F.conv2d(F.pad(x, (left, right, top, bottom)), w, b, stride=stride, groups=groups)
        return F.relu(y) if relu else y

    inputs = {'x': hash_spec(x, seed), 'w': hash_spec(w, seed + 1)}
    if bias:
        inputs['b'] = hash_spec(w[:1], seed + 2)
    attributes = {'stride': extent(stride), 'padding': sides(*padding), 'groups': groups, 'relu': relu}
    return case(name, forward, inputs, seed + 3, attributes)


def conv2d_cases():
    return [
        conv2d_case('no padding', [2, 3, 6, 7], [4, 3, 3, 3], 100),
        conv2d_case(
            'same padding, 5x5, two groups', [2, 4, 5, 6], [6, 2, 5, 5], 110, padding=(2, 2, 2, 2), groups=2,
        ),
        conv2d_case(
            'stride 4 with padding at the bottom and right only, as the authors had it',
            [2, 3, 14, 14], [4, 3, 5, 5], 120, stride=(4, 4), padding=(0, 3, 0, 3),
        ),
        conv2d_case(
            'everything differs per axis and side, no bias',
            [1, 6, 7, 5], [6, 2, 3, 2], 130, stride=(2, 1), padding=(1, 2, 0, 1), groups=3, bias=False,
        ),
        conv2d_case(
            'fused ReLU', [2, 4, 5, 5], [4, 2, 3, 3], 140, padding=(1, 1, 1, 1), groups=2, relu=True,
        ),
    ]


def linear_case(name, seed, bias, relu):
    def forward(x, w, b=None):
        y = F.linear(x, w, b)
        return F.relu(y) if relu else y

    inputs = {'x': hash_spec([3, 7], seed), 'w': hash_spec([5, 7], seed + 1)}
    if bias:
        inputs['b'] = hash_spec([5], seed + 2)
    return case(name, forward, inputs, seed + 3, {'relu': relu})


def lrn_across_case(name, shape, seed, size, alpha, beta, k, channel_groups=1):
    """torch divides its alpha by size; towers are normalised one by one."""

    def forward(x):
        towers = torch.chunk(x, channel_groups, dim=1)
        return torch.cat([F.local_response_norm(t, size, size * alpha, beta, k) for t in towers], dim=1)

    attributes = {'size': size, 'alpha': alpha, 'beta': beta, 'k': k, 'channelGroups': channel_groups}
    return case(name, forward, {'x': hash_spec(shape, seed, -10.0, 10.0)}, seed + 1, attributes)


def lrn_within(x, size, alpha, beta, k):
    """Padding counts as pixels in the average, so average * size^2 is the sum over the clipped window."""
    window = F.avg_pool2d(x * x, size, stride=1, padding=size // 2, count_include_pad=True) * size**2
    return x / (k + alpha * window) ** beta


def lrn_within_case(name, shape, seed, size, alpha, beta, k):
    attributes = {'size': size, 'alpha': alpha, 'beta': beta, 'k': k}
    forward = lambda x: lrn_within(x, size, alpha, beta, k)
    return case(name, forward, {'x': hash_spec(shape, seed, -10.0, 10.0)}, seed + 1, attributes)


def overhang(size, out, kernel, stride, before):
    """Padding after the last pixel that gives `out` windows: how this package writes torch's ceil_mode."""
    return max((out - 1) * stride + kernel - size - before, 0)


def pool_attributes(x_shape, y_shape, kernel, stride, padding, **more):
    after = [
        max(before, overhang(size, out, *window, before))
        for size, out, *window, before in zip(x_shape[2:], y_shape[2:], kernel, stride, padding)
    ]
    padding = sides(padding[0], after[0], padding[1], after[1])
    return {'kernel': extent(kernel), 'stride': extent(stride), 'padding': padding, **more}


def max_pool_case(name, shape, seed, kernel, stride, padding=(0, 0), ceil_mode=False):
    found = {}

    def forward(x):
        y, found['argmax'] = F.max_pool2d(
            x, kernel, stride, padding, ceil_mode=ceil_mode, return_indices=True
        )
        return y

    made = case(name, forward, {'x': hash_spec(shape, seed)}, seed + 1)
    made['attributes'] = pool_attributes(shape, made['outputs']['y']['shape'], kernel, stride, padding)
    made['outputs']['argmax'] = full(found['argmax'])
    return made


def avg_pool_case(name, shape, seed, kernel, stride, divisor, padding=(0, 0), ceil_mode=False):
    """'full' with ceil_mode is left out: torch then divides by the window clipped at the padded picture."""
    forward = lambda x: F.avg_pool2d(
        x, kernel, stride, padding, ceil_mode=ceil_mode, count_include_pad=divisor == 'full'
    )
    made = case(name, forward, {'x': hash_spec(shape, seed)}, seed + 1)
    shape_out = made['outputs']['y']['shape']
    made['attributes'] = pool_attributes(shape, shape_out, kernel, stride, padding, divisor=divisor)
    return made


def softmax_case(name, shape, seed, bound):
    inputs = {'x': hash_spec(shape, seed, -bound, bound)}
    return case(name, lambda x: F.softmax(x, dim=-1), inputs, seed + 1)


def cross_entropy_case(name, shape, seed, low, high, smoothing=0.0):
    labels = hash_labels(seed + 1, shape[0], shape[1])
    spec = hash_spec(shape, seed, low, high)
    logits = leaf(spec)
    target = torch.from_numpy(labels)
    losses = F.cross_entropy(logits, target, reduction='none', label_smoothing=smoothing)
    losses.mean().backward()
    order = torch.sort(logits.detach(), dim=1, descending=True, stable=True).indices
    ranks = (order == target[:, None]).int().argmax(dim=1)
    outputs = {
        'losses': full(losses),
        'loss': losses.mean().item(),
        'dlogits': full(logits.grad),
        'ranks': full(ranks),
    }
    return {
        'name': name,
        'inputs': {'logits': spec},
        'labels': labels.tolist(),
        'attributes': {'smoothing': smoothing},
        'outputs': outputs,
    }


def sgd_case(form, seed, momentum=0.9, decay=5e-4, rates=(0.01, 0.01, 0.01, 0.001, 0.001)):
    """Five steps with a drop of the rate, where the two forms part."""
    shape = [6]
    w = leaf(hash_spec(shape, seed))
    gradients = [hash_spec(shape, seed + 1 + step) for step in range(len(rates))]
    optimizer = torch.optim.SGD([w], lr=rates[0], momentum=momentum, weight_decay=decay)
    v = torch.zeros_like(w)
    after = []
    for rate, spec in zip(rates, gradients):
        w.grad = torch.from_numpy(hash_array(spec)).double()
        if form == 'pytorch':
            optimizer.param_groups[0]['lr'] = rate
            optimizer.step()
            v = optimizer.state[w]['momentum_buffer']
        else:
            with torch.no_grad():
                v = momentum * v - rate * decay * w - rate * w.grad
                w += v
        after.append({'w': full(w), 'v': full(v)})
    attributes = {'form': form, 'momentum': momentum, 'decay': decay, 'rates': list(rates)}
    inputs = {'w': hash_spec(shape, seed), 'g': gradients}
    return {'name': form, 'inputs': inputs, 'attributes': attributes, 'steps': after}


def clip_case(name, seed, max_norm, max_value):
    """torch divides by the norm plus 1e-6, this package by the norm."""
    specs = [hash_spec(shape, seed + i, -2.0, 2.0) for i, shape in enumerate(([3, 4], [5]))]

    def clipped(clip):
        leaves = [leaf(spec) for spec in specs]
        for w, spec in zip(leaves, specs):
            w.grad = torch.from_numpy(hash_array(spec)).double()
        clip(leaves)
        return [full(w.grad) for w in leaves]

    return {
        'name': name,
        'inputs': {'g': specs},
        'attributes': {'maxNorm': max_norm, 'maxValue': max_value},
        'outputs': {
            'byNorm': clipped(lambda leaves: torch.nn.utils.clip_grad_norm_(leaves, max_norm)),
            'byValue': clipped(lambda leaves: torch.nn.utils.clip_grad_value_(leaves, max_value)),
        },
    }


IDENTITY = [1, 0, 0, 0, 1, 0, 0, 0, 1]
NOTHING = [0, 0, 0, 0]


def record(source, mirror=0, flip=0, colour=IDENTITY, offset=(0, 0, 0), erase=NOTHING):
    """One view of a picture, in the order of the op: source and erase are top, left, height, width."""
    return [*source, mirror, flip, *colour, *offset, *erase]


def resized(picture, source, crop):
    """picture: [H, W, 3]. Cropped, then scaled in float64 where the crop has another size."""
    top, left, height, width = source
    cut = torch.from_numpy(picture[top : top + height, left : left + width].copy()).permute(2, 0, 1)[None]
    if (height, width) != (crop, crop):
        cut = F.interpolate(cut, size=(crop, crop), mode='bilinear', antialias=True, align_corners=False)
    return cut[0].permute(1, 2, 0).numpy()


def augment_view(picture, mean, std, view, crop):
    source, (mirror, flip), colour = view[:4], view[4:6], np.array(view[6:15], dtype=np.float64).reshape(3, 3)
    samples = resized(picture, source, crop) @ colour.T + np.array(view[15:18])
    y = (samples - resized(np.broadcast_to(mean, picture.shape), source, crop)) / std
    y = np.flip(y, axis=1) if mirror else y
    y = np.array(np.flip(y, axis=0) if flip else y)
    top, left, height, width = view[18:]
    y[top : top + height, left : left + width] = 0
    return y.transpose(2, 0, 1)


def augment_case(name, seed, mean_shape, records, n=3, side=7, crop=4):
    images = hash_spec([n, side, side, 3], seed, 0.0, 256.0)
    mean, std = hash_spec(mean_shape, seed + 1, 90.0, 140.0), hash_spec([3], seed + 2, 40.0, 80.0)
    pixels = np.floor(hash_array(images)).astype(np.float64)
    constants = [hash_array(spec).astype(np.float64) for spec in (mean, std)]
    views = len(records) // n
    y = np.stack([augment_view(pixels[i // views], *constants, view, crop) for i, view in enumerate(records)])
    return {
        'name': name,
        'inputs': {'images': images, 'mean': mean, 'std': std},
        'records': records,
        'attributes': {'crop': crop},
        'outputs': {'y': full(y)},
    }


def augment_cases():
    crops = [record([0, 3, 4, 4]), record([2, 1, 4, 4], mirror=1), record([3, 0, 4, 4], mirror=1, flip=1)]
    mix = [0.9, 0.2, -0.1, 0.05, 1.1, 0.3, -0.25, 0.125, 0.75]
    coloured = [
        record([0, 0, 4, 4], offset=[12.5, -7.25, 3]),
        record([1, 2, 4, 4], mirror=1, colour=mix, offset=[-4, 8, 16]),
        record([3, 3, 4, 4], flip=1, colour=mix, erase=[1, 0, 2, 3]),
    ]
    scaled = [
        record([0, 0, 7, 7]), record([1, 2, 5, 3]), record([0, 1, 4, 6], mirror=1),
        record([2, 2, 2, 2], flip=1), record([6, 6, 1, 1]), record([0, 0, 7, 1], mirror=1, colour=mix, erase=[0, 0, 1, 1]),
    ]
    shrunk = [record([0, 0, 23, 23]), record([1, 0, 19, 22], mirror=1), record([3, 5, 9, 17], flip=1)]
    return [
        augment_case('mean colour', 800, [3], crops),
        augment_case('mean image', 810, [7, 7, 3], crops),
        augment_case('colours and an erased rectangle', 820, [3], coloured),
        augment_case('colours and an erased rectangle, mean image', 830, [7, 7, 3], coloured),
        augment_case('scaled rectangles, two views', 840, [3], scaled),
        augment_case('scaled rectangles and mean image, two views', 850, [7, 7, 3], scaled),
        augment_case('shrunk with antialiasing', 860, [23, 23, 3], shrunk, side=23, crop=5),
    ]


def random_case(seed, step, stream, n=11):
    at = {'seed': seed, 'step': step, 'stream': stream}
    return {
        'name': f'seed {seed}, step {step}, stream {stream}',
        'attributes': {**at, 'count': n, 'rate': 0.3, 'low': -2, 'high': 3, 'mean': 1, 'std': 0.5},
        'outputs': {
            'keep': dropout_keep(n, 0.3, **at).astype(int).tolist(),
            'uniform': philox_uniform(n, -2, 3, **at).tolist(),
            'gaussian': philox_gaussian(n, 1, 0.5, **at).tolist(),
        },
    }


def hash_case(seed, n, low, high):
    values = hash_uniform(seed, n, low, high)
    return {'seed': seed, 'n': n, 'low': low, 'high': high, 'values': values.tolist()}


def philox_case(counter, key):
    return {'counter': counter, 'key': key, 'words': philox4x32(counter, key).tolist()}


def pointwise_case(forward, seed):
    inputs = {'x': hash_spec([2, 3, 2, 3], seed, -4.0, 4.0)}
    return case('values on both sides of zero', forward, inputs, seed + 1)


def build():
    ones = 0xFFFFFFFF
    return {
        'about': 'float64 torch on float32-rounded inputs',
        'hash': [
            hash_case(0, 8, -1, 1),
            hash_case(1, 8, 0, 1),
            hash_case(12345, 8, -100, 100),
            hash_case(2**31, 8, 0.1, 0.7),
        ],
        'philox': [
            philox_case([0] * 4, [0] * 2),
            philox_case([ones] * 4, [ones] * 2),
            philox_case([0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], [0xA4093822, 0x299F31D0]),
        ],
        'random': [random_case(7, 1, 6), random_case(0, 0, 0), random_case(2**40 + 5, 2**32 - 1, 3)],
        'conv2d': conv2d_cases(),
        'linear': [
            linear_case('with bias', 200, True, False), linear_case('without bias', 210, False, False),
            linear_case('fused ReLU', 220, True, True),
        ],
        'relu': [pointwise_case(F.relu, 300)],
        'tanh': [pointwise_case(torch.tanh, 310)],
        'sigmoid': [pointwise_case(torch.sigmoid, 320)],
        'lrnAcrossChannels': [
            lrn_across_case('the paper: n = 5', [2, 7, 3, 2], 400, 5, 1e-4, 0.75, 2.0),
            lrn_across_case('strong, n = 3', [2, 6, 2, 3], 410, 3, 0.02, 0.75, 1.0),
            lrn_across_case('two towers', [2, 8, 2, 2], 420, 5, 0.02, 0.75, 2.0, channel_groups=2),
            lrn_across_case('window wider than the channels', [1, 3, 2, 2], 430, 9, 0.01, 0.5, 1.0),
        ],
        'lrnWithinChannel': [
            lrn_within_case('cuda-convnet: n = 3', [2, 2, 5, 4], 440, 3, 0.01, 0.75, 1.0),
            lrn_within_case('n = 5', [1, 2, 6, 7], 450, 5, 0.005, 0.75, 2.0),
        ],
        'maxPool2d': [
            max_pool_case('overlapping 3/2', [2, 3, 7, 9], 500, (3, 3), (2, 2)),
            max_pool_case('over the edge 3/2', [2, 2, 8, 6], 510, (3, 3), (2, 2), ceil_mode=True),
            max_pool_case('padded, rectangular', [1, 3, 6, 7], 520, (3, 2), (2, 1), padding=(1, 1)),
            max_pool_case(
                'padded and over the edge', [1, 2, 6, 9], 530, (3, 3), (2, 2), padding=(1, 1), ceil_mode=True,
            ),
        ],
        'avgPool2d': [
            avg_pool_case('no padding 3/2', [2, 3, 7, 9], 540, (3, 3), (2, 2), 'full'),
            avg_pool_case('over the edge 3/2', [2, 2, 8, 6], 550, (3, 3), (2, 2), 'clipped', ceil_mode=True),
            avg_pool_case('padded, whole kernel', [1, 3, 6, 7], 560, (3, 2), (2, 1), 'full', padding=(1, 1)),
            avg_pool_case('padded, clipped', [1, 3, 6, 7], 570, (3, 2), (2, 1), 'clipped', padding=(1, 1)),
        ],
        'softmax': [
            softmax_case('over the last axis', [3, 6], 600, 5.0),
            softmax_case('large', [2, 4], 610, 900.0),
        ],
        'crossEntropy': [
            cross_entropy_case('moderate', [6, 10], 620, -3.0, 3.0),
            cross_entropy_case('large', [4, 5], 630, -900.0, 900.0),
            cross_entropy_case('smoothed labels', [6, 10], 640, -3.0, 3.0, smoothing=0.1),
        ],
        'sgd': [sgd_case('paper', 700), sgd_case('pytorch', 700)],
        'clip': [clip_case('bounded', 720, 1.5, 0.7), clip_case('within the bounds', 730, 50.0, 3.0)],
        'augment': augment_cases(),
    }
