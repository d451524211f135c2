import { type HostTensor, type LinearBlockType, linearBlockCodec, type StoredCodes } from '@tunesmith/core';

/** Bytes of a block's scale, as float16, and of its minimum, where it has one. */
const scaleBytes = 2;

/**
 * A matrix [rows, columns] in blocks as a file has them, as the parts of `linearBlockCodec`: each block's scale and minimum, its bits
 * untouched, apart from its codes, signed ones counted from −128, and nibbles of neighbours in one byte.
 */
export function linearCodes(
  type: LinearBlockType,
  shape: readonly number[],
  readBlocks: () => Promise<Uint8Array>,
): StoredCodes {
  const codec = linearBlockCodec({ type });
  return {
    codec,
    async read() {
      const blocks = await readBlocks();
      const [rows = 1, columns = 1] = shape;
      const { codes, scales, minimums } = codec.parts({ rows, columns });
      const [codeShape, scaleShape] = [codes?.shape ?? [], scales?.shape ?? []];
      const codeBytes = codeShape.at(-1) ?? 0;
      const header = minimums === undefined ? scaleBytes : 2 * scaleBytes;
      const count = blocks.length / (header + codeBytes);
      const packed = new Uint8Array(count * codeBytes);
      const heads = [new Uint8Array(scaleBytes * count), new Uint8Array(scaleBytes * count)] as const;
      for (let index = 0; index < count; index++) {
        const block = blocks.subarray(index * (header + codeBytes), (index + 1) * (header + codeBytes));
        heads[0].set(block.subarray(0, scaleBytes), scaleBytes * index);
        if (minimums !== undefined) heads[1].set(block.subarray(scaleBytes, header), scaleBytes * index);
        repack[type](block.subarray(header), packed.subarray(index * codeBytes, (index + 1) * codeBytes));
      }
      const halves = (bytes: Uint8Array): HostTensor => {
        return { dtype: 'float16', shape: scaleShape, data: new Uint16Array(bytes.buffer) };
      };
      return {
        codes: { dtype: 'uint8', shape: codeShape, data: packed },
        scales: halves(heads[0]),
        ...(minimums && { minimums: halves(heads[1]) }),
      };
    },
  };
}

type Repack = (from: Uint8Array, to: Uint8Array) => void;

/** A file's byte has code i low and code i + 16 high; the codec's has code 2i low and code 2i + 1 high. */
const pairs: Repack = (from, to) => {
  const middle = from.length / 2;
  for (let index = 0; index < middle; index++) {
    const [first, second] = [from[2 * index] as number, from[2 * index + 1] as number];
    to[index] = (first & 15) | ((second & 15) << 4);
    to[middle + index] = (first >> 4) | (second & 0xf0);
  }
};

const repack: Readonly<Record<LinearBlockType, Repack>> = {
  q8_0: (from, to) => {
    for (let index = 0; index < from.length; index++) to[index] = (from[index] as number) ^ 0x80;
  },
  q4_0: pairs,
  q4_1: pairs,
};
