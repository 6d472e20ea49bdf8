// A network as a table: output shape, parameters and multiply-accumulates of each layer.
// Invariant: computed from shapes alone; no device and no weights are needed.
import { formatCount, formatTable } from '../format.js';
import type { Sequential } from '../layers/index.js';
import { formatShape, type Shape } from '../tensor/shape.js';

export interface SummaryRow {
  readonly name: string;
  readonly kind: string;
  readonly outputShape: Shape;
  readonly parameters: number;
  /** Multiply-accumulate operations of one forward pass of one picture. */
  readonly macs: number;
}

export interface Summary {
  readonly rows: readonly SummaryRow[];
  readonly parameters: number;
  readonly macs: number;
  /** The table, ready to print. */
  toString(): string;
}

/**
 * @param inputShape  [1, C, H, W]
 * @throws ShapeError that names the layer at which the input became too small
 */
export function summarize(network: Sequential, inputShape: Shape): Summary {
  const rows: SummaryRow[] = [];
  let shape = inputShape;
  for (const layer of network.layers) {
    const parameters = layer.weightCount;
    const macs = layer.macs(shape);
    shape = layer.outputShape(shape);
    rows.push({ name: layer.name, kind: layer.kind, outputShape: shape, parameters, macs });
  }
  const parameters = rows.reduce((total, row) => total + row.parameters, 0);
  const macs = rows.reduce((total, row) => total + row.macs, 0);
  return { rows, parameters, macs, toString: () => formatSummary(rows, inputShape, { parameters, macs }) };
}

function formatSummary(
  rows: readonly SummaryRow[],
  inputShape: Shape,
  totals: { parameters: number; macs: number },
): string {
  const cells = [
    ['layer', 'kind', 'output', 'parameters', 'MACs'],
    ['input', '', formatShape(inputShape.slice(1)), '', ''],
    ...rows.map((row) => [
      row.name,
      row.kind,
      formatShape(row.outputShape.slice(1)),
      row.parameters === 0 ? '' : formatCount(row.parameters),
      row.macs === 0 ? '' : formatCount(row.macs),
    ]),
    ['total', '', '', formatCount(totals.parameters), formatCount(totals.macs)],
  ];
  return formatTable(cells, { left: 3 });
}
