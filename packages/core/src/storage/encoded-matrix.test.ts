import '@tensorflow/tfjs-backend-cpu';
import { beforeAll, describe, expect, it } from 'vitest';
import { mapNamed } from '../optimizer/transformation.js';
import { randomKey, randomNormal } from '../random/mixer.js';
import { tf } from '../tensor/tfjs.js';
import { decodeWeight, type Encoding, encodedBytes, encodedMatrix, encodeWeight } from './encoded-matrix.js';
import { fourBit } from './four-bit-codec.js';

beforeAll(() => tf.setBackend('cpu'));

describe.each([
  ['plain', false, false],
  ['transposed', true, false],
  ['double quantisation', false, true],
] as const)('a matrix that is kept by a codec: %s', (_, transposed, doubleQuantization) => {
  // 35 values: neither the last byte nor the last block is full.
  const [rows, columns] = [5, 7];
  const codec = fourBit({ type: 'nf4', blockSize: 16, doubleQuantization });
  const encoding: Encoding = { codec, rows, columns, transposed };
  const values = Float32Array.from({ length: rows * columns }, (_, index) => randomNormal(randomKey(1), index));
  const kept = encodeWeight(encoding, values);

  it('takes as many bytes as are kept of it', () => {
    const lengths = Object.values(kept).map(({ data }) => data.byteLength);
    expect(encodedBytes(encoding)).toBe(lengths.reduce((sum, length) => sum + length, 0));
  });

  it('is unpacked in a program as on the host, with nothing said of when', () => {
    const parts = mapNamed(kept, ({ data, shape, dtype }) =>
      dtype === 'uint8' ? tf.tensor(Int32Array.from(data), [...shape], 'int32') : tf.tensor(data as never, [...shape]),
    );
    const value = encodedMatrix(encoding, parts).value();
    expect(value.shape).toEqual(transposed ? [columns, rows] : [rows, columns]);
    expect(value.dataSync()).toEqual(decodeWeight(encoding, kept));
  });
});
