// Lists of files and classes: the forms that are understood, and errors that name the line.
// Invariant: the folder always holds a.png, b.png, "c, d.png" and sub/e.png.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { readLabelsFile, type LabelsFileOptions } from '../../lib/data/labels-file.js';
import { DataError } from '../../lib/errors.js';
import { tempFiles } from './temp-folder.js';

const PICTURES = { 'a.png': '', 'b.png': '', 'c, d.png': '', 'sub/e.png': '' };

async function read(name: string, text: string, options: LabelsFileOptions = {}) {
  const dir = tempFiles({ ...PICTURES, [name]: text });
  const { paths, labels, classNames } = await readLabelsFile(join(dir, name), options);
  return {
    pairs: [...paths].map((path, i) => [
      path.slice(dir.length + 1).replaceAll('\\', '/'),
      classNames[labels[i]!],
    ]),
    classNames,
  };
}

const AB = [
  ['b.png', 'dog'],
  ['a.png', 'cat'],
];

describe('readLabelsFile', () => {
  const forms: [form: string, name: string, text: string][] = [
    ['CSV without a header', 'list.csv', 'b.png,dog\na.png,cat\n'],
    [
      'CSV with a header, other columns between',
      'list.csv',
      'id_no,Filename,size,Label\n1,b.png,7,dog\n2,a.png,9,cat',
    ],
    ['columns in the other order', 'list.csv', 'class,file\ndog,b.png\ncat,a.png\n'],
    [
      'semicolons, CRLF and a byte order mark',
      'list.csv',
      '\ufefffile;class\r\nb.png;dog\r\n\r\na.png;cat\r\n',
    ],
    ['tabs and spaces around', 'list.txt', 'b.png \t dog\na.png\tcat'],
    ['quotes', 'list.csv', '"b.png","dog"\n "a.png" ,"cat"\n'],
    ['JSON objects', 'list.json', '[{"file":"b.png","class":"dog"},{"path":"a.png","label":"cat"}]'],
    ['JSON pairs', 'list.json', '[["b.png","dog"],["a.png","cat"]]'],
    ['a JSON object', 'list.JSON', '{"b.png":"dog","a.png":"cat"}'],
  ];
  for (const [form, name, text] of forms) {
    it(`reads ${form}`, async () => {
      assert.deepEqual(await read(name, text), { pairs: AB, classNames: ['cat', 'dog'] });
    });
  }

  it('reads separators, quotes and line ends within quotes', async () => {
    const { pairs, classNames } = await read('list.csv', '"c, d.png","a ""big""\ncat"\nsub/e.png,dog');
    assert.deepEqual(pairs, [
      ['c, d.png', 'a "big"\ncat'],
      ['sub/e.png', 'dog'],
    ]);
    assert.equal(classNames.length, 2);
  });

  it('sorts classes by number if all are numbers, as text otherwise', async () => {
    assert.deepEqual((await read('l.csv', 'a.png,10\nb.png,9')).classNames, ['9', '10']);
    assert.deepEqual((await read('l.json', '{"a.png":10,"b.png":9}')).classNames, ['9', '10']);
    assert.deepEqual((await read('l.csv', 'a.png,10\nb.png,9x')).classNames, ['10', '9x']);
  });

  it('takes class names, columns and a folder', async () => {
    const classNames = ['dog', 'cat', 'bird'];
    assert.deepEqual(await read('l.csv', 'b.png,dog\na.png,cat', { classNames }), { pairs: AB, classNames });
    const columns = { file: 'photo', class: 'animal' };
    const text = 'class,animal,photo\nx,dog,b.png\ny,cat,a.png';
    assert.deepEqual((await read('l.csv', text, { columns })).pairs, AB);
    const pictures = tempFiles(PICTURES);
    const list = join(tempFiles({ 'l.csv': 'a.png,cat' }), 'l.csv');
    assert.deepEqual([...(await readLabelsFile(list, { dir: pictures })).paths], [join(pictures, 'a.png')]);
  });

  const bad: [name: string, file: string, text: string, message: RegExp, options?: LabelsFileOptions][] = [
    ['a missing file', 'l.csv', 'a.png,cat\n\nnone.png,dog', /l\.csv:3: there is no file .*none\.png/],
    ['a row without a class', 'l.csv', 'file,class\na.png,cat\nb.png', /l\.csv:3: b\.png has no class/],
    ['a row without a file', 'l.csv', 'a.png,cat\n,dog', /l\.csv:2: there is no file name/],
    [
      'a file listed twice',
      'l.csv',
      'a.png,cat\nb.png,dog\n./a.png,dog',
      /l\.csv:3: \.\/a\.png stands .* already \(.*l\.csv:1\)/,
    ],
    [
      'an unclosed quote, where it begins',
      'l.csv',
      'a.png,cat\n"b.png,dog\nx,y',
      /l\.csv:2: a quoted field is never closed/,
    ],
    [
      'a picture',
      'l.jpg',
      '\xff\xd8\xff\xe0\0\x10JFIF\0',
      /l\.jpg: this is no list: it is not a text in UTF-8/,
    ],
    ['text behind a quote', 'l.csv', 'a.png,cat\n"b.png"x,dog', /l\.csv:2: text follows a closing quote/],
    [
      'the line after one with a line end in it',
      'l.csv',
      'a.png,"c\nd"\nno.png,dog',
      /l\.csv:3: there is no file/,
    ],
    ['an empty list', 'l.csv', 'file,class\n', /there are no files in the list/],
    [
      'columns that are not there',
      'l.csv',
      'file,class\na.png,cat',
      /l\.csv:1: expected columns 'x' and 'y', found file, class/,
      { columns: { file: 'x', class: 'y' } },
    ],
    [
      'a class that is not among those given',
      'l.csv',
      'a.png,cat\nb.png,cow',
      /l\.csv:2: b\.png has class 'cow', .* among cat, dog/,
      { classNames: ['cat', 'dog'] },
    ],
    [
      'what is not JSON, by its line',
      'l.json',
      '[\n["a.png", "cat"],\n["b.png" "dog"]]',
      /l\.json:3: this is not JSON/,
    ],
    ['JSON of another kind', 'l.json', '"a.png"', /expected an array of files with classes/],
    [
      'a JSON entry without a class',
      'l.json',
      '[["a.png","cat"],["b.png"]]',
      /l\.json: entry 1: b\.png has no class/,
    ],
    ['a JSON entry without a file', 'l.json', '[{"class":"cat"}]', /entry 0: there is no file name/],
    ['a JSON entry of another kind', 'l.json', '["a.png"]', /entry 0: expected \{"file"/],
  ];
  for (const [name, file, text, message, options] of bad) {
    it(`refuses ${name}`, () =>
      assert.rejects(read(file, text, options), (error) => {
        assert.ok(error instanceof DataError, String(error));
        assert.match(error.message, message);
        return true;
      }));
  }

  it('says that the list cannot be read', () =>
    assert.rejects(readLabelsFile('/nowhere/l.csv'), /l\.csv: the list cannot be read/));
});
