import {
  dynamicMap,
  fourBit,
  fourBitBlockSizes,
  fourBitValues,
  fromFloat32,
  type HostTensor,
  type Int8Options,
  int8,
  readFloat32,
  type StoredCodes,
  type StoredDtype,
  type StoredTensor,
  type TensorSource,
  TunesmithError,
  type WeightCodec,
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
 * for, and the codes themselves. Layout: bitsandbytes/nn/modules.py, `Linear4bit` and `Linear8bitLt`.
 * @param options How those of 8 bits are multiplied
 * @throws FILE_INVALID naming the tensor, for parts that are missing or not of the layout
 */
export async function readBitsandbytes(tensors: TensorSource, options: Int8Options = {}): Promise<TensorSource> {
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
      await checkRowMajor(tensors.get(`${module}weight_format`));
      matrices.set(name, eightBitMatrix(tensors, name, `${module}SCB`, int8(options)));
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

/** Whole numbers, and the largest magnitude of each row, which 127 stands for. */
function eightBitMatrix(tensors: TensorSource, name: string, scales: string, codec: WeightCodec): StoredTensor {
  const tensor = tensors.get(name) as StoredTensor;
  const [rows = 0, columns = 0] = tensor.shape;
  const scale = partOf(tensors, scales, name);
  const codes: StoredCodes = {
    codec,
    async read() {
      const { buffer, byteOffset, length } = await tensor.read();
      return {
        codes: { dtype: 'int8', shape: [rows, columns], data: new Int8Array(buffer, byteOffset, length) },
        absmax: await floats(scale, [rows]),
      };
    },
  };
  return {
    ...{ name, dtype: 'F32', shape: tensor.shape, codes, isOutIn: true },
    read: async () => fromFloat32('F32', codec.decode(await codes.read(), { rows, columns })),
  };
}

/** Older versions could save rows interleaved for one GPU or another (`LINEAR_8BIT_WEIGHTS_FORMAT_MAPPING`). */
async function checkRowMajor(format: StoredTensor | undefined): Promise<void> {
  const [number = 0] = format === undefined ? [] : await readFloat32(format);
  if (format === undefined || number === 0) return;
  throw new TunesmithError('FILE_INVALID', 'its 8-bit codes lie in an order that we do not read', {
    where: format.name,
    expected: '0, row by row',
    got: String(number),
    hint: 'Load the model and save it again with a newer bitsandbytes.',
  });
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
