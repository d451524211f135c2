/** Gradient accumulation and checkpointing: one batch of eight rows, or eight of one, takes the same steps. */
import { createTrainer, type TrainerOptions } from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { openExample } from './open-example.js';

async function losses(changes: Partial<TrainerOptions>): Promise<number[]> {
  // With dropout on: its masks are keyed by the row's place in the whole batch, not in the micro-batch.
  const { loaded, options } = await openExample([lora({ rank: 8, dropout: 0.1, targetModules: 'all-linear' })]);
  const trainer = await createTrainer({ ...options, steps: 5, ...changes });
  const losses: number[] = [];
  for await (const event of trainer.run()) if (event.type === 'step') losses.push(event.loss);
  await trainer.dispose();
  loaded.dispose();
  return losses;
}

const whole = await losses({ batchSize: 8 });
const parts = await losses({ batchSize: 1, gradientAccumulation: 8, gradientCheckpointing: true });
whole.forEach((loss, step) => {
  console.log(`step ${step + 1}  8×1 ${loss.toFixed(5)}  1×8 ${parts[step]?.toFixed(5)}`);
});
const difference = Math.max(...whole.map((loss, step) => Math.abs(loss / (parts[step] ?? 0) - 1)));
console.log(`largest relative difference ${difference.toExponential(1)}`);
