/** LoRA's relatives beside LoRA: the same data and steps, what each trains, how far it gets, and what its file holds. */
import { createTrainer, elementCount, exportAdapter, type Method } from '@tunesmith/core';
import { adalora, lora } from '@tunesmith/lora';
import { openExample } from './open-example.js';

const common = { rank: 4, alpha: 8, targetModules: 'all-linear' };
const methods: Record<string, Method> = {
  lora: lora(common),
  dora: lora({ ...common, useDora: true }),
  pissa: lora({ ...common, initLoraWeights: 'pissa' }),
  olora: lora({ ...common, initLoraWeights: 'olora' }),
  'lora+': lora({ ...common, loraPlusRatio: 4 }),
  'lora-fa': lora({ ...common, useLoraFa: true }),
  adalora: adalora({ initRank: 6, targetRank: 4, alpha: 12, targetModules: 'all-linear', tinit: 5, tfinal: 5 }),
};

for (const [name, method] of Object.entries(methods)) {
  const { loaded, options } = await openExample([method]);
  const { model, parameters } = loaded;
  const trainer = await createTrainer({ ...options, steps: 25 });
  const losses: number[] = [];
  for await (const event of trainer.run()) if (event.type === 'step') losses.push(event.loss);
  await trainer.dispose();

  const count = (shapes: readonly { readonly shape: readonly number[] }[]): number =>
    shapes.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const { config, tensors } = await exportAdapter(model, method, parameters);
  const [first, last] = [losses[0], losses.at(-1)].map((loss) => loss?.toFixed(2));
  console.log(`${name}: loss ${first} to ${last}, ${count(model.trained)} trained, ${count(tensors)} in the file`);
  // Which singular values AdaLoRA kept, module by module.
  const ranks = Object.values((config?.rank_pattern ?? {}) as Record<string, readonly boolean[]>);
  if (name === 'adalora') console.log(`ranks ${ranks.map((kept) => kept.filter(Boolean).length).join(' ')}`);
  loaded.dispose();
}
