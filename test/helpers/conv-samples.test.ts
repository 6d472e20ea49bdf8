// The single elements of a convolution are those of the whole one.
// Invariant: every element is compared, in groups, with stride and with padding that differs per side.
import { assertClose } from './compare.js';
import * as reference from './reference.js';
import { hashNdArray } from './reference.js';

describe('reference convolution, element by element', () => {
  const options = {
    stride: { h: 2, w: 3 },
    padding: { top: 1, bottom: 0, left: 2, right: 1 },
    groups: 2,
  };
  const x = hashNdArray({ shape: [2, 4, 6, 8], seed: 1, low: -1, high: 1 });
  const w = hashNdArray({ shape: [6, 2, 3, 2], seed: 2, low: -1, high: 1 });
  const b = hashNdArray({ shape: [6], seed: 3, low: -1, high: 1 });
  const y = reference.conv2d(x, w, b, options);
  const dy = hashNdArray({ shape: y.shape, seed: 4, low: -1, high: 1 });
  const close = { rtol: 1e-12, atol: 1e-13 };

  it('makes the output', () => {
    const elements = y.data.map((_, i) => reference.conv2dAt(i, { x, w, b, options }));
    assertClose(elements, y.data, { ...close, what: 'y' });
  });

  it("makes the input's gradient", () => {
    const dx = reference.conv2dBackwardData(dy, w, x.shape, options).data;
    const elements = dx.map((_, i) => reference.conv2dBackwardDataAt(i, { dy, w, xShape: x.shape, options }));
    assertClose(elements, dx, { ...close, what: 'dx' });
  });

  it("makes the weights' gradient", () => {
    const dw = reference.conv2dBackwardWeights(dy, x, w.shape, options).dw.data;
    const elements = dw.map((_, i) =>
      reference.conv2dBackwardWeightsAt(i, { dy, x, wShape: w.shape, options }),
    );
    assertClose(elements, dw, { ...close, what: 'dw' });
  });
});
