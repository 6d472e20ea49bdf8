// The comparison itself: what it lets pass, what it does not, and what it says.
// Invariant: a comparison that cannot fail is worse than none, so every rule is shown failing once.
import assert from 'node:assert/strict';
import { assertClose } from './compare.js';
import { assertChecksum, checksum, checksumDifference } from './golden.js';
import { hashUniform } from './hash-values.js';
import { tolerance } from './tolerance.js';

const strict = { rtol: 0, atol: 0, what: 'x' };

describe('assertClose', () => {
  it('allows atol + rtol * |expected| and no more', () => {
    assertClose([10.01, -10.01], [10, -10], { rtol: 1e-3, atol: 1e-3, what: 'x' });
    assert.throws(
      () => assertClose([10.02], [10], { rtol: 1e-3, atol: 1e-3, what: 'x' }),
      /1 of 1 values off/,
    );
  });

  it('names the worst element, both values, how many are off, and the reason of the tolerance', () => {
    const options = { rtol: 0, atol: 0.5, what: 'y', reason: 'a reason' };
    assert.throws(
      () => assertClose([1, 3, 9, 4], [1, 2, 3, 4], options),
      /^AssertionError.*: y: 2 of 4 values off; worst at \[2\]: 9, expected 3 \(difference 6, .*a reason$/,
    );
  });

  it('takes NaN for NaN only, and infinities for themselves only', () => {
    assertClose([NaN, Infinity, -Infinity, 0], [NaN, Infinity, -Infinity, -0], strict);
    const anything = { rtol: 1, atol: Infinity, what: 'x' };
    for (const [actual, expected] of [
      [NaN, 1],
      [1, NaN],
      [Infinity, 1],
      [1, Infinity],
      [Infinity, -Infinity],
    ] as const) {
      assert.throws(() => assertClose([actual], [expected], anything), /1 of 1 values off/);
    }
  });

  it('refuses arrays of different lengths', () => {
    assert.throws(() => assertClose([1], [1, 2], strict), /1 values, expected 2/);
  });
});

describe('checksums', () => {
  const values = Float64Array.from(hashUniform(1, 1000, -1, 1));
  const expected = checksum(values, 2);

  it('of the same values are the same', () => {
    assert.equal(checksumDifference(checksum(values, 2), expected), 0);
  });

  it('notice a swap, a sign, a scale and a NaN, and name the field', () => {
    const change = (f: (copy: Float64Array) => void): Float64Array => {
      const copy = values.slice();
      f(copy);
      return copy;
    };
    const changes: Readonly<Record<string, Float64Array>> = {
      'dot is': change((copy) => copy.set([values[8]!, values[7]!], 7)),
      'sum is': change((copy) => (copy[500] = -values[500]!)),
      'samples\\[\\d+\\] is|sum is|dot is|l1 is|l2 is': values.map((value) => value * 1.01),
      'is NaN': change((copy) => (copy[3] = NaN)),
    };
    for (const [field, changed] of Object.entries(changes)) {
      assert.throws(
        () => assertChecksum(changed, expected, { tolerance: 1e-3, what: 'w' }),
        new RegExp(`w: .*(${field})`),
      );
    }
  });

  it('refuse another number of values', () => {
    assert.throws(
      () => assertChecksum([1], expected, { tolerance: 1, what: 'w' }),
      /1 values, expected 1000/,
    );
  });
});

describe('tolerance', () => {
  it('scales atol by the largest finite value that is expected', () => {
    const small = tolerance('conv2dForward', [1, -2]);
    const large = tolerance('conv2dForward', [100, -200, NaN]);
    assert.ok(small.atol > 0);
    assert.equal(large.atol, 100 * small.atol);
    assert.equal(large.rtol, small.rtol);
    assert.match(small.reason, /^conv2dForward, float32: ./);
  });
});
