/** Train some of a model's own weights: chosen by name, layer by layer from the top, or by what the data says of them. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { createTrainer, elementCount, type Method, slantedTriangularSchedule } from '@tunesmith/core';
import { saveAdapter } from '@tunesmith/runtime';
import { bitfit, diffPruning, far, fishMask, freeze, gradualUnfreezing } from '@tunesmith/selective';
import { openExample } from './open-example.js';

/** Llama has no biases; this one does. */
const withBiases = { attention_bias: true, mlp_bias: true };

async function train(name: string, method: Method): Promise<void> {
  const { folder, loaded, options } = await openExample([method], createOnnxBackend(), withBiases);
  const { model } = loaded;
  const trainer = await createTrainer({ ...options, steps: 40, schedule: slantedTriangularSchedule() });
  const losses: number[] = [];
  for await (const event of trainer.run()) {
    if (event.type === 'step') losses.push(event.loss);
    if (event.type === 'stage') console.log(`  step ${event.step}: ${event.name}, ${event.trainedParameters} train`);
  }
  await trainer.dispose();
  console.log(`${name}: loss ${losses[0]?.toFixed(2)} → ${losses.at(-1)?.toFixed(2)}`);

  // Where all weights have moved, a model is saved; what was trained else.
  if (method.capabilities.savesModel !== true) {
    const adapter = join(folder, 'adapter');
    await saveAdapter(loaded, method, adapter, { base: loaded.path, step: 40 });
    const { size } = await stat(join(adapter, 'adapter_model.safetensors'));
    const count = model.trained.reduce((sum, { shape }) => sum + elementCount(shape), 0);
    console.log(`  ${count} numbers train, saved in ${size} bytes`);
  }
  loaded.dispose();
}

await train('the last layer', freeze({ layers: 1, top: false }));
await train('the biases', bitfit());
await train('from the top', gradualUnfreezing({ every: 10, unit: 'step', layerDecay: 1 / 2.6 }));
await train('where the Fisher information is', fishMask({ ratio: 0.01, samples: 16 }));
// Gates that a few steps can shut: the defaults are for thousands.
await train('what gates leave open', diffPruning({ targetSparsity: 0.01, penalty: 5e-4, alphaInit: 2 }));
await train('the feed-forward nodes that move', far({ rest: 'freeze' }));
