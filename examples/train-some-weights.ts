/** Train some of a model's own weights: the last layer, the biases, or one layer after another from the top. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { createTrainer, elementCount, type Method, slantedTriangularSchedule } from '@tunesmith/core';
import { saveAdapter } from '@tunesmith/runtime';
import { bitfit, freeze, gradualUnfreezing } from '@tunesmith/selective';
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

  // Gradual unfreezing ends with all weights, and is saved as a model; the others as what they trained.
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
