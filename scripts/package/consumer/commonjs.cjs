// The package from CommonJS: by require, and by import().
const assert = require('node:assert/strict');
const trainAndPredict = require('./train-and-predict.cjs');

const alexnet = require('alexnet');

trainAndPredict(alexnet)
  .then(() => import('alexnet'))
  .then((imported) => assert.equal(imported.openDevice, alexnet.openDevice));
