// The package from an ES module.
import * as alexnet from 'alexnet';
import trainAndPredict from './train-and-predict.cjs';

await trainAndPredict(alexnet);
