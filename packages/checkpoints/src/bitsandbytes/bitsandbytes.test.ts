import {
  type Encoding,
  encodeWeight,
  fourBit,
  int8,
  memoryTensor,
  readFloat32,
  type StoredTensor,
  type TensorSource,
} from '@tunesmith/core';
import { describe, expect, it } from 'vitest';
import { readBitsandbytes } from './read-bitsandbytes.js';
import { bitsandbytesTensors, hasBitsandbytesForm } from './write-bitsandbytes.js';

const shape = { rows: 6, columns: 20 };
const values = Float32Array.from({ length: 120 }, (_, index) => Math.sin(index * index));

function sourceOf(tensors: readonly StoredTensor[]): TensorSource {
  return { names: () => tensors.map(({ name }) => name), get: (name) => tensors.find((each) => each.name === name) };
}

function tensorsOf(options: Parameters<typeof fourBit>[0]): StoredTensor[] {
  const encoding: Encoding = { codec: fourBit(options), ...shape, transposed: false };
  const parts = encodeWeight(encoding, values);
  const norm = memoryTensor('norm.weight', [2], Float32Array.of(1, 2));
  return [norm, ...bitsandbytesTensors({ ...encoding, name: 'q.weight', parts, dtype: 'float16' })];
}

function bytes(name: string, text: string): StoredTensor {
  const data = new TextEncoder().encode(text);
  return { name, dtype: 'U8', shape: [data.length], read: async () => data };
}

describe('what bitsandbytes keeps of a matrix', () => {
  it.each([true, false])('is read as one tensor, with double quantisation: %s', async (doubleQuantization) => {
    const codec = fourBit({ type: 'nf4', blockSize: 32, doubleQuantization });
    const source = await readBitsandbytes(sourceOf(tensorsOf({ type: 'nf4', blockSize: 32, doubleQuantization })));
    expect(source.names()).toEqual(['norm.weight', 'q.weight']);
    expect(source.get('q.weight.absmax')).toBeUndefined();
    const tensor = source.get('q.weight') as StoredTensor;
    expect([tensor.dtype, tensor.shape, tensor.isOutIn]).toEqual(['F16', [6, 20], true]);
    const parts = codec.encode(values, shape);
    expect(await tensor.codes?.read()).toEqual(parts);
    // Values are in the type that the state names.
    const decoded = codec.decode(parts, shape);
    (await readFloat32(tensor)).forEach((value, index) => {
      expect(Math.abs(value - (decoded[index] as number))).toBeLessThan(5e-4);
    });
  });

  it('is read as one tensor in 8 bits too, of the layout that is read', async () => {
    const encoding: Encoding = { codec: int8(), ...shape, transposed: false };
    const parts = encodeWeight(encoding, values);
    const tensors = bitsandbytesTensors({ ...encoding, name: 'q.weight', parts, dtype: 'float32' });
    expect(tensors.map(({ name, dtype }) => [name, dtype])).toEqual([
      ['q.weight', 'I8'],
      ['q.SCB', 'F32'],
      ['q.weight_format', 'U8'],
    ]);
    const source = await readBitsandbytes(sourceOf(tensors));
    expect(source.names()).toEqual(['q.weight']);
    const tensor = source.get('q.weight') as StoredTensor;
    expect(await tensor.codes?.read()).toEqual(parts);
    expect(await readFloat32(tensor)).toEqual(int8().decode(parts, shape));
    const other = tensors.map((each) => (each.dtype === 'U8' ? { ...each, read: async () => Uint8Array.of(2) } : each));
    await expect(readBitsandbytes(sourceOf(other))).rejects.toThrow(/FILE_INVALID at q\.weight_format: .*got 2/);
  });

  it('says what is wrong with a part', async () => {
    const good = tensorsOf({ type: 'nf4', blockSize: 32 });
    const read = (name: string, other?: StoredTensor) =>
      readBitsandbytes(sourceOf([...good.filter((each) => each.name !== name), ...(other ? [other] : [])])).then(
        async (source) => source.get('q.weight')?.read(),
      );
    await expect(read('q.weight.absmax')).rejects.toThrow(/FILE_INVALID at q\.weight\.absmax/);
    const short = memoryTensor('q.weight.absmax', [1], Float32Array.of(1));
    await expect(read('q.weight.absmax', short)).rejects.toThrow(/expected 4, got 1/);
    const map = memoryTensor('q.weight.quant_map', [16], new Float32Array(16));
    await expect(read('q.weight.quant_map', map)).rejects.toThrow(/other values.*expected -1, got 0/s);
    const state = 'q.weight.quant_state.bitsandbytes__nf4';
    const said = { quant_type: 'nf4', dtype: 'float16', shape: [6, 20], blocksize: 512 };
    await expect(read(state, bytes(state, '{'))).rejects.toThrow('not JSON');
    await expect(read(state, bytes(state, JSON.stringify({ ...said, shape: [6] })))).rejects.toThrow('shape');
    await expect(read(state, bytes(state, JSON.stringify(said)))).rejects.toThrow(/blocks of a size.*got 512/s);
  });

  it('has no blocks of 16', () => {
    expect([16, 32].map((blockSize) => hasBitsandbytesForm(fourBit({ type: 'nf4', blockSize })))).toEqual([
      false,
      true,
    ]);
  });
});
