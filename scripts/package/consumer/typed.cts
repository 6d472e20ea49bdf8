// The types from CommonJS, where TypeScript knows that Node.js can require an ES module.
import alexnet = require('alexnet');

const device: alexnet.Device = alexnet.openDevice('cpu');
device.dispose();
