// Formatters of durations, percentages, counts, sizes and rates.
// Invariant: every case names its whole text, the limits between two units included.

import assert from 'node:assert/strict';
import { formatBytes, formatCount, formatDuration, formatPercent, formatRate } from '../lib/format.js';

const cases: readonly [format: (value: number) => string, value: number, text: string][] = [
  [formatDuration, 0, '0ms'],
  [formatDuration, 850.4, '850ms'],
  [formatDuration, 999.4, '999ms'],
  [formatDuration, 999.5, '1.0s'],
  [formatDuration, 4_240, '4.2s'],
  [formatDuration, 9_949, '9.9s'],
  [formatDuration, 9_950, '10s'],
  [formatDuration, 59_499, '59s'],
  [formatDuration, 59_500, '1m00s'],
  [formatDuration, 200_000, '3m20s'],
  [formatDuration, 3_599_499, '59m59s'],
  [formatDuration, 3_599_500, '1h00m'],
  [formatDuration, 3_900_000, '1h05m'],
  [formatDuration, 86_369_999, '23h59m'],
  [formatDuration, 86_370_000, '1d00h'],
  [formatDuration, 183_600_000, '2d03h'],
  [formatDuration, -200_000, '-3m20s'],
  [formatDuration, NaN, '?'],
  [formatDuration, Infinity, '?'],
  [formatPercent, 0, '0.0 %'],
  [formatPercent, 0.5625, '56.3 %'],
  [formatPercent, 1, '100.0 %'],
  [formatPercent, NaN, '?'],
  [formatCount, 0, '0'],
  [formatCount, 999, '999'],
  [formatCount, 1_000, '1,000'],
  [formatCount, 62_378_344, '62,378,344'],
  [formatCount, -1_234.4, '-1,234'],
  [formatCount, -0.2, '0'],
  [formatCount, Infinity, '?'],
  [formatBytes, 0, '0 B'],
  [formatBytes, 1_023, '1023 B'],
  [formatBytes, 1_023.5, '1.0 KiB'],
  [formatBytes, 1_536, '1.5 KiB'],
  [formatBytes, 1_048_575, '1.0 MiB'],
  [formatBytes, 243_860_896, '232.6 MiB'],
  [formatBytes, 3 * 2 ** 40, '3.0 TiB'],
  [formatBytes, 2 ** 63, '8192.0 PiB'],
  [formatBytes, -1_536, '-1.5 KiB'],
  [formatBytes, NaN, '?'],
  [formatRate, 0.5249, '0.52'],
  [formatRate, 9.994, '9.99'],
  [formatRate, 9.996, '10.0'],
  [formatRate, 91.24, '91.2'],
  [formatRate, 99.96, '100'],
  [formatRate, 1_234.5, '1,235'],
  [formatRate, NaN, '?'],
];

describe('format', () => {
  for (const [format, value, text] of cases) {
    it(`${format.name}(${value}) is '${text}'`, () => {
      assert.equal(format(value), text);
    });
  }

  it('formatPercent takes the number of digits', () => {
    assert.equal(formatPercent(0.12345, 2), '12.35 %');
    assert.equal(formatPercent(0.5, 0), '50 %');
  });
});
