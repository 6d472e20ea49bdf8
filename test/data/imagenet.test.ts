// ImageNet's own layout, in small: three synsets, three validation pictures, and labels in each form that is in use.
// Invariant: validation picture 1 is of n03, picture 2 of n01, picture 3 of n03.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { scanImageNet, type ImageNetOptions } from '../../lib/data/imagenet.js';
import { DataError } from '../../lib/errors.js';
import { tempFiles } from './temp-folder.js';

const TRAIN = { 'train/n02/n02_1.JPEG': '', 'train/n01/n01_7.JPEG': '', 'train/n03/n03_2.JPEG': '' };
const VAL = { 'val/V_1.JPEG': '', 'val/V_2.JPEG': '', 'val/V_3.JPEG': '' };

async function scan(files: Record<string, string>, options: (dir: string) => ImageNetOptions = () => ({})) {
  const dir = tempFiles(files);
  const folder = await scanImageNet(dir, options(dir));
  return {
    ...folder,
    names:
      folder.validation &&
      [...folder.validation.paths].map((path) => path.slice(dir.length + 1).replaceAll('\\', '/')),
  };
}

describe('scanImageNet', () => {
  const lists: [form: string, name: string, text: string][] = [
    ['files and indices, in any order', 'val.txt', 'V_3.JPEG 2\nV_1.JPEG 2\nV_2.JPEG 0\n'],
    ['files and synsets', 'val.txt', 'V_1.JPEG n03\nV_2.JPEG n01\nV_3.JPEG n03'],
    ['synsets in order', 'val.txt', 'n03\nn01\nn03\n'],
    [
      'ids and predictions, as Kaggle has it',
      'LOC_val_solution.csv',
      'ImageId,PredictionString\nV_2,n01 1 2 3 4 \nV_1,n03 1 2 3 4 n03 5 6 7 8 \nV_3,n03 5 6 7 8 \n',
    ],
  ];
  for (const [form, name, text] of lists) {
    it(`reads validation labels: ${form}`, async () => {
      const { train, validation, names, synsets } = await scan({ ...TRAIN, ...VAL, [name]: text });
      assert.deepEqual(synsets, ['n01', 'n02', 'n03']);
      assert.deepEqual([train.classNames, [...train.labels]], [synsets, [0, 1, 2]]);
      assert.deepEqual(names, ['val/V_1.JPEG', 'val/V_2.JPEG', 'val/V_3.JPEG']);
      assert.deepEqual([validation!.classNames, [...validation!.labels]], [synsets, [2, 0, 2]]);
    });
  }

  it('takes folders in val, also where one is missing, and does without val', async () => {
    const { validation } = await scan({ ...TRAIN, 'val/n01/x.JPEG': '', 'val/n03/y.JPEG': '' });
    assert.deepEqual([...validation!.labels], [0, 2]);
    assert.deepEqual(validation!.classNames, ['n01', 'n02', 'n03']);
    assert.equal((await scan(TRAIN)).validation, undefined);
  });

  it('calls the classes by their names, and tells doubles apart', async () => {
    const { train, validation, synsets } = await scan(
      {
        ...TRAIN,
        ...VAL,
        'val.txt': 'n03\nn01\nn03',
        'words.txt': 'n01 tench, Tinca tinca\nn03\tcrane\nn02 crane\nn09 more\n',
      },
      (dir) => ({ synsetNames: join(dir, 'words.txt') }),
    );
    assert.deepEqual(train.classNames, ['tench, Tinca tinca', 'crane (n02)', 'crane (n03)']);
    assert.equal(validation!.classNames[validation!.labels[0]!], 'crane (n03)');
    assert.deepEqual(synsets, ['n01', 'n02', 'n03']);
  });

  const bad: [
    name: string,
    files: Record<string, string>,
    message: RegExp,
    options?: (dir: string) => ImageNetOptions,
  ][] = [
    [
      'a validation without labels',
      {},
      /there is no list of their labels; give validationLabels, or put it at .*val\.txt/,
    ],
    [
      'a label that is no class',
      { 'val.txt': 'V_1.JPEG 0\nV_2.JPEG 3\nV_3.JPEG 1' },
      /val\.txt:2: the label is '3', .* from 0 to 2/,
    ],
    [
      'a picture that is not there',
      { 'val.txt': 'V_1.JPEG 0\nV_9.JPEG 1' },
      /val\.txt:2: there is no picture V_9\.JPEG/,
    ],
    [
      'a picture listed twice',
      { 'val.txt': 'V_1.JPEG 0\nV_1.JPEG 1' },
      /val\.txt:2: V_1\.JPEG stands in the list already/,
    ],
    ['a picture without a label', { 'val.txt': 'V_1.JPEG 0\nV_3.JPEG 1' }, /there is no label for V_2\.JPEG/],
    ['too few labels in order', { 'val.txt': 'n01\nn02' }, /there are 2 labels for the 3 pictures/],
    [
      "the development kit's numbers",
      { 'val.txt': '490\n361\n171' },
      /val\.txt:1: '490' is a number without a file.*meta\.mat/,
    ],
    ['an unknown synset', { 'val.txt': 'n03\nn01\n\nn04' }, /val\.txt:4: the label is 'n04'/],
    [
      'a synset without a name',
      { 'val.txt': 'n03\nn01\nn03', w: 'n01 a\nn02 b' },
      /w: there is no name for n03/,
      (dir) => ({ synsetNames: join(dir, 'w') }),
    ],
    [
      'a line without a name',
      { 'val.txt': 'n03\nn01\nn03', w: 'n01 a\nn02' },
      /w:2: expected a synset and its name/,
      (dir) => ({ synsetNames: join(dir, 'w') }),
    ],
    [
      'a list that is missing',
      {},
      /none\.txt: the list cannot be read/,
      (dir) => ({ validationLabels: join(dir, 'none.txt') }),
    ],
  ];
  for (const [name, files, message, options] of bad) {
    it(`refuses ${name}`, () =>
      assert.rejects(scan({ ...TRAIN, ...VAL, ...files }, options), (error) => {
        assert.ok(error instanceof DataError, String(error));
        assert.match(error.message, message);
        return true;
      }));
  }

  it('refuses a folder in val that train lacks', () =>
    assert.rejects(
      scan({ ...TRAIN, 'val/n01/x.JPEG': '', 'val/n05/y.JPEG': '' }),
      /a folder n05, which train lacks/,
    ));
});
