import type { HandleValues } from '../method/hooks.js';
import { elementCount, type Handle } from '../parameters/handle.js';
import type { Chunk } from '../parameters/parameter-store.js';
import { type Named, type Tensor, tf } from '../tensor/tfjs.js';
import { chunkShape } from './training-plan.js';

/** Reads single handles out of tensors that lie by chunk. */
export function readFromChunks(chunks: readonly Chunk[], tensors: Named<Tensor>): (handle: Handle) => Tensor {
  const places = new Map<string, { chunk: Chunk; offset: number }>();
  for (const chunk of chunks) {
    let offset = 0;
    for (const { key, shape } of chunk.handles) {
      places.set(key, { chunk, offset });
      offset += elementCount(shape);
    }
  }
  return ({ key, shape }) => {
    const { chunk, offset } = places.get(key) as { chunk: Chunk; offset: number };
    const whole = tensors[chunk.entry] as Tensor;
    if (chunk.handles.length === 1) return whole;
    return tf.reshape(tf.slice(whole, [offset], [elementCount(shape)]), [...shape]);
  };
}

/** The tensors by chunk with new values for some of their handles. */
export function writeToChunks(chunks: readonly Chunk[], tensors: Named<Tensor>, values: HandleValues): Named<Tensor> {
  const read = readFromChunks(chunks, tensors);
  const byKey = new Map([...values].map(([handle, value]) => [handle.key, value]));
  const changed = chunks.filter(({ handles }) => handles.some(({ key }) => byKey.has(key)));
  const written = changed.map((chunk): [string, Tensor] => {
    const parts = chunk.handles.map((handle) => tf.reshape(byKey.get(handle.key) ?? read(handle), [-1]));
    return [chunk.entry, tf.reshape(tf.concat(parts), [...chunkShape(chunk)])];
  });
  return { ...tensors, ...Object.fromEntries(written) };
}
