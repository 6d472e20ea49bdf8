# alexnet-step.json and cifar-nets.json: whole nets; large arrays are recorded as checksums.
# Invariant: what is recorded comes from the float64 run; the float32 run only says how far float32 may stray.
import math

import numpy as np
import torch
import torch.nn.functional as F

from generators import checksum, checksum_difference, dropout_keep, hash_array, hash_labels, hash_spec
from ops_golden import full, lrn_within

ALEXNET_SHAPES = {
    'conv1': [96, 3, 11, 11],
    'conv2': [256, 48, 5, 5],
    'conv3': [384, 256, 3, 3],
    'conv4': [384, 192, 3, 3],
    'conv5': [256, 192, 3, 3],
    'fc6': [4096, 9216],
    'fc7': [4096, 4096],
    'fc8': [10, 4096],
}
CIFAR_80SEC_SHAPES = {
    'conv1': [32, 3, 5, 5],
    'conv2': [32, 32, 5, 5],
    'conv3': [64, 32, 5, 5],
    'fc64': [64, 1024],
    'fc10': [10, 64],
}
CIFAR_18PCT_SHAPES = {
    'conv1': [32, 3, 5, 5],
    'conv2': [32, 32, 5, 5],
    'conv3': [64, 32, 5, 5],
    'fc10': [10, 1024],
}

ABOUT = 'float64 torch on float32-rounded inputs; float32: how far the same run in float32 strays'
BATCH, CLASSES = 4, 10
DROPOUT = {'rate': 0.5, 'seed': 7, 'step': 1, 'streams': {'fc6': 6, 'fc7': 7}}
DOT_SEED = 9000


def parameter_specs(shapes, gains, biases, seed):
    """Weights uniform within gain * sqrt(6 / inputs), rounded to be readable; gain 1 is He et al. 2015."""
    specs = {}
    for index, (layer, shape) in enumerate(shapes.items()):
        bound = float(f'{gains[layer] * math.sqrt(6 / math.prod(shape[1:])):.3g}')
        specs[f'{layer}.weight'] = hash_spec(shape, seed + 2 * index, -bound, bound)
        specs[f'{layer}.bias'] = hash_spec(shape[:1], seed + 2 * index + 1, *biases[layer])
    return specs


def parameters(specs, dtype):
    make = lambda spec: torch.from_numpy(hash_array(spec)).to(dtype).requires_grad_()
    return {name: make(spec) for name, spec in specs.items()}


def checksums(tensors):
    return {
        name: checksum(tensor.detach().numpy(), DOT_SEED + index)
        for index, (name, tensor) in enumerate(tensors.items())
    }


class Seen(dict):
    """Outputs of layers by name."""

    def keep(self, name, value):
        self[name] = value
        return value


def conv(p, name, x, **options):
    return F.conv2d(x, p[f'{name}.weight'], p[f'{name}.bias'], **options)


def linear(p, name, x):
    return F.linear(x, p[f'{name}.weight'], p[f'{name}.bias'])


def alexnet(p, x, seen, masks=None):
    """conv - ReLU - LRN - pool, two groups in conv2, conv4, conv5. torch divides its alpha by n = 5."""
    relu_conv = lambda name, x, **options: seen.keep(name, F.relu(conv(p, name, x, **options)))
    lrn = lambda name, x: seen.keep(name, F.local_response_norm(x, 5, alpha=5e-4, beta=0.75, k=2.0))
    pool = lambda name, x: seen.keep(name, F.max_pool2d(x, 3, 2))
    x = pool('pool1', lrn('lrn1', relu_conv('conv1', x, stride=4)))
    x = pool('pool2', lrn('lrn2', relu_conv('conv2', x, padding=2, groups=2)))
    x = relu_conv('conv3', x, padding=1)
    x = relu_conv('conv4', x, padding=1, groups=2)
    x = pool('pool5', relu_conv('conv5', x, padding=1, groups=2)).flatten(1)
    for name in ('fc6', 'fc7'):
        x = F.relu(linear(p, name, x))
        x = seen.keep(name, x * masks[name] / (1 - DROPOUT['rate']) if masks else x)
    return linear(p, 'fc8', x)


def max_over_the_edge(x):
    return F.max_pool2d(x, 3, 2, ceil_mode=True)


def average_over_the_edge(x):
    return F.avg_pool2d(x, 3, 2, ceil_mode=True, count_include_pad=False)


def cifar_80sec(p, x, seen):
    """cuda-convnet's layers-80sec: max pool before the ReLU of conv1, average pools over the edge."""
    x = seen.keep('pool1', F.relu(max_over_the_edge(conv(p, 'conv1', x, padding=2))))
    x = seen.keep('pool2', average_over_the_edge(F.relu(conv(p, 'conv2', x, padding=2))))
    x = seen.keep('pool3', average_over_the_edge(F.relu(conv(p, 'conv3', x, padding=2)))).flatten(1)
    x = seen.keep('fc64', F.relu(linear(p, 'fc64', x)))
    return linear(p, 'fc10', x)


def cifar_18pct(p, x, seen):
    """layers-18pct: no fc64, LRN within each channel after pool1 and pool2; its 5e-5 is divided by 3 x 3."""
    lrn = lambda name, x: seen.keep(name, lrn_within(x, 3, 5e-5 / 9, 0.75, 1.0))
    x = lrn('lrn1', seen.keep('pool1', F.relu(max_over_the_edge(conv(p, 'conv1', x, padding=2)))))
    x = lrn('lrn2', seen.keep('pool2', average_over_the_edge(F.relu(conv(p, 'conv2', x, padding=2)))))
    x = seen.keep('pool3', average_over_the_edge(F.relu(conv(p, 'conv3', x, padding=2)))).flatten(1)
    return linear(p, 'fc10', x)


def one_step(net, specs, x_spec, labels, dtype, **options):
    """Logits, loss, and checksums of activations and gradients."""
    p, seen = parameters(specs, dtype), Seen()
    logits = net(p, torch.from_numpy(hash_array(x_spec)).to(dtype), seen, **options)
    loss = F.cross_entropy(logits, torch.from_numpy(labels))
    loss.backward()
    return {
        'logits': full(logits.double()),
        'loss': loss.item(),
        'activations': checksums(seen),
        'gradients': checksums({name: value.grad for name, value in p.items()}),
    }


def largest_difference(actual, expected):
    """Of every checksum of a table."""
    found = {name: checksum_difference(actual[name], expected[name]) for name in expected}
    return {name: float(f'{value:.1e}') for name, value in found.items()}


def stray(single, exact):
    """How far the float32 run is from the float64 run: guidance for tolerances."""
    a, b = np.array(single['logits']['data']), np.array(exact['logits']['data'])
    return {
        'logits': float(f'{np.abs(a - b).max() / np.abs(b).max():.1e}'),
        'loss': float(f"{abs(single['loss'] - exact['loss']) / exact['loss']:.1e}"),
        'activations': largest_difference(single['activations'], exact['activations']),
        'gradients': largest_difference(single['gradients'], exact['gradients']),
    }


def step_record(net, shapes, gains, biases, x_spec, seed, **options):
    specs = parameter_specs(shapes, gains, biases, seed)
    labels = hash_labels(seed + 91, BATCH, CLASSES)
    exact = one_step(net, specs, x_spec, labels, torch.float64, **options)
    single = one_step(net, specs, x_spec, labels, torch.float32, **options)
    described = {'input': x_spec, 'labels': labels.tolist(), 'parameters': specs}
    return {**described, **exact, 'float32': stray(single, exact)}


def per_layer(shapes, values):
    return dict(zip(shapes, values))


def dropout_masks():
    """True where kept. A bool mask leaves the dtype of what it multiplies alone."""

    def mask(stream):
        keep = dropout_keep(BATCH * 4096, DROPOUT['rate'], DROPOUT['seed'], DROPOUT['step'], stream)
        return torch.from_numpy(keep).reshape(BATCH, 4096)

    return {name: mask(stream) for name, stream in DROPOUT['streams'].items()}


def alexnet_step():
    """One step with dropout, and the same net's evaluation. Blocks of 10 pixels: noise alone averages out."""
    x_spec = hash_spec([BATCH, 3, 227, 227], 40, -100.0, 100.0, block=10)
    gains = per_layer(ALEXNET_SHAPES, (1, 0.3, 0.5, 0.5, 0.7, 0.5, 0.7, 0.7))
    biases = per_layer(ALEXNET_SHAPES, [(-0.5, 0.5)] * 7 + [(-0.1, 0.1)])
    training = step_record(alexnet, ALEXNET_SHAPES, gains, biases, x_spec, 1000, masks=dropout_masks())
    with torch.no_grad():
        p = parameters(training['parameters'], torch.float64)
        logits = alexnet(p, torch.from_numpy(hash_array(x_spec)).double(), Seen())
        loss = F.cross_entropy(logits, torch.tensor(training['labels']))
    return {**training, 'evaluation': {'logits': full(logits), 'loss': loss.item()}}


TRAINING = {'form': 'paper', 'momentum': 0.9, 'decay': 5e-4, 'rates': [0.01] * 5 + [0.001] * 5}


def train(specs, inputs, labels, dtype):
    """v <- mu v - decay lr w - lr g; w <- w + v. -> losses, checksums of the end and of the way there."""
    p = parameters(specs, dtype)
    v = {name: torch.zeros_like(value) for name, value in p.items()}
    losses = []
    for x_spec, target, rate in zip(inputs, labels, TRAINING['rates']):
        logits = alexnet(p, torch.from_numpy(hash_array(x_spec)).to(dtype), Seen())
        loss = F.cross_entropy(logits, torch.tensor(target))
        loss.backward()
        losses.append(loss.item())
        with torch.no_grad():
            for name, w in p.items():
                v[name].mul_(TRAINING['momentum']).sub_(rate * TRAINING['decay'] * w).sub_(rate * w.grad)
                w += v[name]
                w.grad = None
    start = parameters(specs, dtype)
    return losses, checksums(p), checksums({name: (p[name] - start[name]) for name in p})


def alexnet_training():
    """Ten steps. Biases keep most of fc6 and fc7 alive: few units near zero, so the run is not chaotic."""
    gains = per_layer(ALEXNET_SHAPES, (1, 0.5, 0.5, 0.5, 0.3, 0.1, 0.1, 0.5))
    biases = per_layer(
        ALEXNET_SHAPES,
        [(0.0, 0.1), (0.0, 1.0), (0.0, 1.0), (0.0, 1.0), (0.0, 1.0), (0.1, 0.2), (0.04, 0.08), (-0.1, 0.1)],
    )
    specs = parameter_specs(ALEXNET_SHAPES, gains, biases, 2000)
    steps = range(len(TRAINING['rates']))
    inputs = [hash_spec([BATCH, 3, 227, 227], 3000 + step, -100.0, 100.0, block=10) for step in steps]
    labels = [hash_labels(4000 + step, BATCH, CLASSES).tolist() for step in steps]
    losses, ends, updates = train(specs, inputs, labels, torch.float64)
    losses32, ends32, updates32 = train(specs, inputs, labels, torch.float32)
    return {
        'attributes': TRAINING,
        'inputs': inputs,
        'labels': labels,
        'parameters': specs,
        'losses': losses,
        'final': ends,
        'updates': updates,
        'float32': {
            'losses': [float(f'{abs(a - b) / b:.1e}') for a, b in zip(losses32, losses)],
            'final': largest_difference(ends32, ends),
            'updates': largest_difference(updates32, updates),
        },
    }


def build_alexnet_step():
    return {'about': ABOUT, 'dropout': DROPOUT, **alexnet_step()}


def build_alexnet_training():
    return {'about': ABOUT, **alexnet_training()}


def build_cifar_nets():
    x_spec = hash_spec([BATCH, 3, 32, 32], 50, -100.0, 100.0, block=3)

    def record(net, shapes, gains, seed):
        biases = per_layer(shapes, [(-0.5, 0.5)] * len(shapes))
        return step_record(net, shapes, per_layer(shapes, gains), biases, x_spec, seed)

    return {
        'about': ABOUT,
        '80sec': record(cifar_80sec, CIFAR_80SEC_SHAPES, (1, 0.5, 0.5, 0.5, 0.2), 5000),
        '18pct': record(cifar_18pct, CIFAR_18PCT_SHAPES, (1, 0.8, 0.5, 0.1), 6000),
    }
