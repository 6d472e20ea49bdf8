# Data that Python and TypeScript make alike without sharing a file: hash values, Philox draws, checksums.
# Invariant: the same bits as test/helpers/hash-values.ts; a change there or here changes every golden file.
import json
import math

import numpy as np

MASK32 = np.uint64(0xFFFFFFFF)


def hash_uniform(seed, n, low, high):
    """n float32 values in [low, high): MurmurHash3's finaliser of i * 0x9E3779B1 + seed * 0x85EBCA6B."""
    h = np.arange(n, dtype=np.uint32)
    with np.errstate(over='ignore'):
        h = h * np.uint32(0x9E3779B1) + np.uint32((seed * 0x85EBCA6B) & 0xFFFFFFFF)
        h ^= h >> np.uint32(16)
        h *= np.uint32(0x85EBCA6B)
        h ^= h >> np.uint32(13)
        h *= np.uint32(0xC2B2AE35)
        h ^= h >> np.uint32(16)
    return (low + (high - low) * (h >> np.uint32(8)).astype(np.float64) / 2**24).astype(np.float32)


def hash_spec(shape, seed, low=-1.0, high=1.0, block=1):
    """Describes a tensor of hash values. block: its last two axes hold block x block equal values."""
    spec = {'shape': list(shape), 'seed': seed, 'low': low, 'high': high}
    return {**spec, 'block': block} if block > 1 else spec


def hash_array(spec):
    """The float32 array that a spec describes."""
    *outer, height, width = spec['shape'] if 'block' in spec else [*spec['shape'], 1, 1]
    block = spec.get('block', 1)
    coarse = (*outer, -(-height // block), -(-width // block))
    values = hash_uniform(spec['seed'], math.prod(coarse), spec['low'], spec['high']).reshape(coarse)
    if block > 1:
        values = values.repeat(block, axis=-2).repeat(block, axis=-1)[..., :height, :width]
    return np.ascontiguousarray(values).reshape(spec['shape'])


def hash_labels(seed, n, classes):
    """n class indices."""
    return np.floor(hash_uniform(seed, n, 0, classes)).astype(np.int64)


def philox4x32(counter, key):
    """Philox4x32-10 (Salmon et al., SC 2011). counter: 4, key: 2 uint32, or arrays of them -> [4, ...]."""
    c = [np.asarray(word, dtype=np.uint64) for word in counter]
    k = [np.asarray(word, dtype=np.uint64) for word in key]
    for _ in range(10):
        low = c[0] * np.uint64(0xD2511F53)
        high = c[2] * np.uint64(0xCD9E8D57)
        c = [
            (high >> np.uint64(32)) ^ c[1] ^ k[0],
            high & MASK32,
            (low >> np.uint64(32)) ^ c[3] ^ k[1],
            low & MASK32,
        ]
        k = [(k[0] + np.uint64(0x9E3779B9)) & MASK32, (k[1] + np.uint64(0xBB67AE85)) & MASK32]
    return np.stack(np.broadcast_arrays(*c)).astype(np.uint32)


def philox_words(n, seed, step, stream):
    """Word i % 4 of block floor(i / 4), for i < n."""
    block = np.arange((n + 3) // 4, dtype=np.uint64)
    counter = [block & MASK32, block >> np.uint64(32), step, stream]
    return philox4x32(counter, [seed & 0xFFFFFFFF, seed >> 32]).T.reshape(-1)[:n]


def dropout_keep(n, rate, seed, step, stream):
    """Bool mask: element i is kept iff its word >= round(rate * 2^32)."""
    return philox_words(n, seed, step, stream).astype(np.uint64) >= np.uint64(math.floor(rate * 2**32 + 0.5))


def philox_uniform(n, low, high, seed, step, stream):
    """float64 values in (low, high), one word each."""
    return low + (high - low) * (philox_words(n, seed, step, stream).astype(np.float64) + 0.5) * 2.0**-32


def philox_gaussian(n, mean, std, seed, step, stream):
    """float64 values by Box and Muller: words (0, 1) make elements 0 and 1, words (2, 3) elements 2 and 3."""
    even = n + n % 2
    u = (philox_words(even, seed, step, stream).astype(np.float64) + 0.5) * 2.0**-32
    radius, angle = np.sqrt(-2 * np.log(u[0::2])), 2 * np.pi * u[1::2]
    pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return mean + std * pairs.reshape(-1)[:n]


SAMPLES = 16


def checksum(array, dot_seed):
    """A large array as 20 numbers. `dot` is against hash_uniform(dot_seed, n, -1, 1)."""
    flat = np.ascontiguousarray(array, dtype=np.float64).reshape(-1)
    n = flat.size
    at = [k * (n - 1) // (SAMPLES - 1) for k in range(SAMPLES)]
    return {
        'count': n,
        'sum': float(flat.sum()),
        'l1': float(np.abs(flat).sum()),
        'l2': float(np.sqrt(np.square(flat).sum())),
        'dot': float(flat @ hash_uniform(dot_seed, n, -1, 1).astype(np.float64)),
        'dotSeed': dot_seed,
        'samples': flat[at].tolist(),
    }


def checksum_difference(actual, expected):
    """The largest difference of two checksums, each field on the scale that its rounding errors have.

    sum and dot cancel, so they are held to |expected| + l2; samples to |expected| + the root mean square.
    """
    if expected['l2'] == 0:
        return float(actual['l1'])
    rms = expected['l2'] / math.sqrt(expected['count'])
    cancelling = [abs(actual[f] - expected[f]) / (abs(expected[f]) + expected['l2']) for f in ('sum', 'dot')]
    norms = [abs(actual[f] - expected[f]) / expected[f] for f in ('l1', 'l2')]
    samples = [abs(a - e) / (abs(e) + rms) for a, e in zip(actual['samples'], expected['samples'])]
    return max(cancelling + norms + samples)


def write_json(path, document):
    """Compact, but a line for every entry of every top-level field, so that a diff can be read."""
    dump = lambda value: json.dumps(value, separators=(',', ':'), allow_nan=False)
    fields = []
    for name, value in document.items():
        if isinstance(value, dict) and value:
            body = '{\n' + ',\n'.join(f'{dump(k)}:{dump(v)}' for k, v in value.items()) + '\n}'
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            body = '[\n' + ',\n'.join(dump(v) for v in value) + '\n]'
        else:
            body = dump(value)
        fields.append(f'{dump(name)}:{body}')
    with open(path, 'w') as file:
        file.write('{\n' + ',\n'.join(fields) + '\n}\n')
