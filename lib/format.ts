// Numbers as people read them: durations, percentages, counts, sizes, rates.
// Invariant: pure functions, the same text on every machine and in every locale; never more than ASCII.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const thousands = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/**
 * A length of time in its two largest units: `850ms`, `4.2s`, `45s`, `3m20s`, `1h05m`, `2d03h`.
 * @param ms milliseconds; `?` if not finite
 */
export function formatDuration(ms: number): string {
  if (!Number.isFinite(ms)) return '?';
  if (ms < 0) return `-${formatDuration(-ms)}`;
  // Each limit is where rounding would reach the next unit, so that there is no 60s and no 1000ms.
  if (ms < SECOND - 0.5) return `${Math.round(ms)}ms`;
  if (ms < 9.95 * SECOND) return `${(ms / SECOND).toFixed(1)}s`;
  if (ms < MINUTE - SECOND / 2) return `${Math.round(ms / SECOND)}s`;
  if (ms < HOUR - SECOND / 2) return twoUnits(ms, { large: MINUTE, small: SECOND, names: 'ms' });
  if (ms < DAY - MINUTE / 2) return twoUnits(ms, { large: HOUR, small: MINUTE, names: 'hm' });
  return twoUnits(ms, { large: DAY, small: HOUR, names: 'dh' });
}

function twoUnits(ms: number, units: { large: number; small: number; names: string }): string {
  const smallUnits = Math.round(ms / units.small);
  const perLarge = units.large / units.small;
  const rest = String(smallUnits % perLarge).padStart(2, '0');
  return `${Math.floor(smallUnits / perLarge)}${units.names.charAt(0)}${rest}${units.names.charAt(1)}`;
}

/**
 * A fraction as a percentage: 0.5625 -> `56.3 %`.
 * @param fraction 0..1; `?` if not finite
 * @param digits   after the point; default 1
 */
export function formatPercent(fraction: number, digits = 1): string {
  return Number.isFinite(fraction) ? `${(fraction * 100).toFixed(digits)} %` : '?';
}

/**
 * A count with thousands separators: 1234567 -> `1,234,567`.
 * @param count rounded to a whole number; `?` if not finite
 */
export function formatCount(count: number): string {
  return Number.isFinite(count) ? thousands.format(count).replace(/^-0$/, '0') : '?';
}

/**
 * A size in binary units: `512 B`, `1.5 KiB`, `232.6 MiB`.
 * @param bytes `?` if not finite
 */
export function formatBytes(bytes: number): string {
  if (!Number.isFinite(bytes)) return '?';
  if (bytes < 0) return `-${formatBytes(-bytes)}`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  if (bytes < 1023.5) return `${Math.round(bytes)} B`;
  let size = bytes / 1024;
  let unit = 0;
  // 1023.95 would be printed as 1024.0 of this unit.
  while (size >= 1023.95 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${size.toFixed(1)} ${units[unit] ?? ''}`;
}

/**
 * Something a second, without its unit: `0.52`, `91.2`, `1,234`.
 * @param perSecond `?` if not finite
 */
export function formatRate(perSecond: number): string {
  if (!Number.isFinite(perSecond)) return '?';
  if (perSecond >= 99.95) return formatCount(perSecond);
  return perSecond.toFixed(perSecond >= 9.995 ? 1 : 2);
}

/**
 * Rows as lines of aligned columns, two spaces apart, without spaces at the ends of lines.
 * @param left  how many columns, from the left, are aligned to the left; the others are numbers, to the right
 */
export function formatTable(
  rows: readonly (readonly string[])[],
  { left }: { readonly left: number },
): string {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, i) =>
    Math.max(...rows.map((row) => (row[i] ?? '').length)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i < left ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
