import {
  dynamicMap,
  fourBit,
  fourBitBlockSizes,
  fourBitValues,
  fromFloat32,
  type HostTensor,
  readFloat32,
  type StoredCodes,
  type StoredDtype,
  type StoredTensor,
  type TensorSource,
  TunesmithError,
} from '@tunesmith/core';
import { parseQuantState, type QuantState, quantStateName } from './quant-state.js';

type Named<T> = Record<string, T>;

/** How far a stored table may be from ours: bitsandbytes has computed its own in more than one way. */
const tableTolerance = 1e-6;

const dtypes: Readonly<Record<QuantState['dtype'], StoredDtype>> = {
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
};

/**
 * The tensors of a checkpoint that bitsandbytes quantised, its matrices as one tensor each: the values that the codes stand
 * for, and the codes themselves where they are of 4 bits. Layout: bitsandbytes/nn/modules.py, `Linear4bit` and `Linear8bitLt`.
 * @throws FILE_INVALID naming the tensor, for parts that are missing or not of the layout
 */
export async function readBitsandbytes(tensors: TensorSource): Promise<TensorSource> {
  const names = tensors.names();
  const present = new Set(names);
  const matrices = new Map<string, StoredTensor>();
  const parts = new Set<string>();
  for (const name of names) {
    const type = (['nf4', 'fp4'] as const).find((each) => present.has(`${name}.${quantStateName(each)}`));
    if (type !== undefined) {
      matrices.set(name, await fourBitMatrix(tensors, name, quantStateName(type)));
      for (const other of names) if (other.startsWith(`${name}.`)) parts.add(other);
    } else if (name.endsWith('.weight') && tensors.get(name)?.dtype === 'I8') {
      const module = name.slice(0, -'weight'.length);
      matrices.set(name, eightBitMatrix(tensors, name, `${module}SCB`));
      parts.add(`${module}SCB`).add(`${module}weight_format`);
    }
  }
  return {
    names: () => names.filter((name) => !parts.has(name)),
    get: (name) => (parts.has(name) ? undefined : (matrices.get(name) ?? tensors.get(name))),
  };
}

async function fourBitMatrix(tensors: TensorSource, name: string, state: string): Promise<StoredTensor> {
  const part = (end: string): StoredTensor => partOf(tensors, `${name}.${end}`, name);
  const said = parseQuantState(await part(state).read(), `${name}.${state}`);
  const { quant_type: type, shape, nested_offset: offset } = said;
  const blockSize = fourBitBlockSizes.find((size) => size === said.blocksize);
  if (blockSize === undefined) {
    throw new TunesmithError('FILE_INVALID', 'it has 4-bit blocks of a size that we do not compute with', {
      where: name,
      expected: fourBitBlockSizes.join(', '),
      got: String(said.blocksize),
    });
  }
  await checkTable(part('quant_map'), fourBitValues[type]);
  const isNested = offset !== undefined;
  if (isNested) await checkTable(part('nested_quant_map'), dynamicMap());
  const codec = fourBit({ type, blockSize, doubleQuantization: isNested });
  const [rows, columns] = shape;
  const blocks = Math.ceil((rows * columns) / blockSize);
  const expected = codec.parts({ rows, columns });
  const codes: StoredCodes = {
    codec,
    async read() {
      const absmax = part('absmax');
      // The codes may be viewed as numbers of another type (`bnb_4bit_quant_storage`).
      const kept: Named<HostTensor> = { codes: bytes(await partOf(tensors, name, name).read(), expected.codes, name) };
      if (!isNested) return { ...kept, absmax: await floats(absmax, [blocks]) };
      const { absmaxCodes, nestedAbsmax } = expected;
      const filled = new Uint8Array(elements(absmaxCodes));
      filled.set(bytes(await absmax.read(), { shape: [blocks] }, absmax.name).data as Uint8Array);
      return {
        ...kept,
        absmaxCodes: { dtype: 'uint8', shape: absmaxCodes?.shape ?? [], data: filled },
        nestedAbsmax: await floats(part('nested_absmax'), nestedAbsmax?.shape ?? []),
        offset: { dtype: 'float32', shape: [], data: Float32Array.of(offset) },
      };
    },
  };
  const dtype = dtypes[said.dtype];
  return {
    ...{ name, dtype, shape, codes, isOutIn: true },
    read: async () => fromFloat32(dtype, codec.decode(await codes.read(), { rows, columns })),
  };
}

/** bitsandbytes/functional.py, `int8_vectorwise_dequant`: code · (the row's largest magnitude) / 127. */
function eightBitMatrix(tensors: TensorSource, name: string, scales: string): StoredTensor {
  const tensor = tensors.get(name) as StoredTensor;
  const [rows = 0, columns = 0] = tensor.shape;
  const scale = partOf(tensors, scales, name);
  const each = Math.fround(7.874015718698502e-3);
  return {
    ...{ name, dtype: 'F32', shape: tensor.shape, isOutIn: true },
    async read() {
      const { data: largest } = await floats(scale, [rows]);
      const { buffer, byteOffset, length } = await tensor.read();
      const codes = new Int8Array(buffer, byteOffset, length);
      const values = new Float32Array(codes.length);
      for (let index = 0; index < codes.length; index++) {
        const row = largest[Math.floor(index / columns)] as number;
        values[index] = Math.fround((codes[index] as number) * row) * each;
      }
      return fromFloat32('F32', values);
    },
  };
}

function partOf(tensors: TensorSource, name: string, of: string): StoredTensor {
  const tensor = tensors.get(name);
  if (tensor !== undefined) return tensor;
  throw new TunesmithError('FILE_INVALID', `the quantised ${of} lacks a part`, { where: name, got: 'no such tensor' });
}

function elements(spec: { readonly shape: readonly number[] } | undefined): number {
  return (spec?.shape ?? []).reduce((product, size) => product * size, 1);
}

function bytes(data: Uint8Array, spec: { readonly shape: readonly number[] } | undefined, where: string): HostTensor {
  const count = elements(spec);
  if (data.length >= count) return { dtype: 'uint8', shape: [count], data: data.subarray(0, count) };
  throw new TunesmithError('FILE_INVALID', 'there are too few codes', {
    where,
    expected: `${count} bytes`,
    got: String(data.length),
  });
}

async function floats(tensor: StoredTensor, shape: readonly number[]): Promise<HostTensor & { dtype: 'float32' }> {
  const data = await readFloat32(tensor);
  if (data.length === elements({ shape })) return { dtype: 'float32', shape, data };
  throw new TunesmithError('FILE_INVALID', 'there are not as many scales as blocks', {
    where: tensor.name,
    expected: String(elements({ shape })),
    got: String(data.length),
  });
}

async function checkTable(tensor: StoredTensor, table: Float32Array): Promise<void> {
  const values = await readFloat32(tensor);
  const other = table.findIndex((value, index) => !(Math.abs(value - (values[index] as number)) <= tableTolerance));
  if (other < 0 && values.length === table.length) return;
  throw new TunesmithError('FILE_INVALID', 'the codes stand for other values than bitsandbytes gives them', {
    where: tensor.name,
    expected: `${table[other] ?? `${table.length} values`}`,
    got: `${values[other] ?? values.length}`,
  });
}
