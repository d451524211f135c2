import { type StoredTensor, TunesmithError } from '@tunesmith/core';
import { writeFileAtomically } from '../files/atomic-write.js';
import { type ByteSink, fileSink } from '../files/byte-sink.js';
import { formatHeader, tensorBytes } from './header.js';

/** What PyTorch's readers look for in `__metadata__`. */
const torchMetadata: Readonly<Record<string, string>> = { format: 'pt' };

/**
 * Writes a safetensors file, byte for byte as the reference does, one tensor in memory at a time. The file appears
 * whole or not at all.
 * @throws FILE_INVALID for a repeated name; SHAPE_MISMATCH for a tensor whose bytes are not what its shape says
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<StoredTensor> | AsyncIterable<StoredTensor>,
  metadata: Readonly<Record<string, string>> = torchMetadata,
): Promise<void> {
  await writeFileAtomically(path, (handle) => streamSafetensors(fileSink(handle), tensors, metadata));
}

/** Writes a safetensors file's bytes in order. The header comes first, so all names and shapes are asked for first. */
export async function streamSafetensors(
  write: ByteSink,
  tensors: Iterable<StoredTensor> | AsyncIterable<StoredTensor>,
  metadata: Readonly<Record<string, string>> = torchMetadata,
): Promise<void> {
  const collected: StoredTensor[] = [];
  for await (const tensor of tensors) collected.push(tensor);
  const { bytes: header, ordered } = formatHeader(collected, metadata);
  await write(header);
  for (const tensor of ordered) {
    const bytes = await tensor.read();
    const expected = tensorBytes(tensor.dtype, tensor.shape);
    if (bytes.length !== expected) {
      throw new TunesmithError('SHAPE_MISMATCH', 'the bytes are not what the shape says', {
        where: tensor.name,
        expected: `${expected} bytes for ${tensor.dtype} [${tensor.shape.join(', ')}]`,
        got: String(bytes.length),
      });
    }
    await write(bytes);
  }
}
