// What the types must know: shapes, devices, errors, layers of one's own.
import { AlexnetError, alexnet, Layer, openDevice, ops, Trainer, type Device, type Tensor } from 'alexnet';

const device: Device = openDevice('cpu');
const x = device.tensor(new Float32Array(6), { shape: [2, 3] });
const y: Tensor<'float32'> = ops.relu(x);
const values: Float32Array = await y.data();
console.log(values.length, Layer.name, Trainer.name);
try {
  alexnet({ preset: 'owt', classNames: ['only one'] });
} catch (error) {
  if (!(error instanceof AlexnetError)) throw error;
}
// @ts-expect-error: there is no such device
const wrong = (): Device => openDevice('tpu');
console.log(typeof wrong);
y.dispose();
x.dispose();
device.dispose();
