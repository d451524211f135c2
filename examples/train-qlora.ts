/** QLoRA: the base's matrices stay in 4 bits, and LoRA trains beside them. */
import { createTrainer, elementCount, type Handle, quantizationSchema } from '@tunesmith/core';
import { qlora } from '@tunesmith/qlora';
import { openExample } from './open-example.js';

// Blocks of 64 are for larger matrices than these.
const quantization = quantizationSchema.parse({ type: 'nf4', blockSize: 16 });
const { loaded, options } = await openExample([qlora({ rank: 8 })], undefined, {}, { quantization });
const { model, parameters } = loaded;

const encoded = model.handles.filter((handle) => parameters.encodingOf(handle) !== undefined);
const bytesOf = async (handle: Handle): Promise<number> =>
  Object.values(await parameters.readParts(handle)).reduce((sum, { data }) => sum + data.byteLength, 0);
const kept = (await Promise.all(encoded.map(bytesOf))).reduce((sum, bytes) => sum + bytes);
const count = encoded.reduce((sum, { shape }) => sum + elementCount(shape), 0);
console.log(
  `${((8 * kept) / count).toFixed(3)} bits a parameter in ${encoded.length} matrices, 32 bits a parameter else`,
);

const before = await Promise.all(encoded.map((handle) => parameters.readParts(handle)));
const trainer = await createTrainer({ ...options, steps: 40 });
for await (const event of trainer.run()) {
  if (event.type === 'step') console.log(`step ${event.step}  loss ${event.loss.toFixed(3)}`);
}
await trainer.dispose();
const after = await Promise.all(encoded.map((handle) => parameters.readParts(handle)));
console.log(JSON.stringify(after) === JSON.stringify(before) ? 'the codes are as they were' : 'the codes have moved');
loaded.dispose();
