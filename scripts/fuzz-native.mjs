// Builds native/fuzz/pictures.cc with libFuzzer and both sanitizers, and runs it. Needs clang.
// Invariant: an input that breaks something ends the run with a failure, and is kept in .cache/fuzz for a second look.
// Arguments go on to libFuzzer; without any, it runs for a minute.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { output } from './run.mjs';
import { root } from './wheels.mjs';

const SOURCES = [
  'fuzz/pictures.cc',
  'core/augment_record.cc',
  'core/every_isa.cc',
  'core/picture.cc',
  'core/resample.cc',
];
const SANITIZERS = '-fsanitize=fuzzer,address,undefined';

const folder = path.join(root, '.cache', 'fuzz');
const corpus = path.join(folder, 'corpus');
const program = path.join(folder, 'pictures');
mkdirSync(corpus, { recursive: true });
const flags = [
  '-std=c++17',
  '-O1',
  '-g',
  SANITIZERS,
  '-fno-sanitize-recover=all',
  '-I',
  path.join(root, 'native'),
];
const sources = SOURCES.map((file) => path.join(root, 'native', file));
output('clang++', [...flags, ...sources, '-o', program]);
const options = process.argv.length > 2 ? process.argv.slice(2) : ['-max_total_time=60'];
const artifacts = `-artifact_prefix=${folder}${path.sep}`;
const { status } = spawnSync(program, [artifacts, ...options, corpus], { stdio: 'inherit' });
process.exitCode = status ?? 1;
