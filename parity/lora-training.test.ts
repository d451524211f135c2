/**
 * LoRA and full fine-tuning against PEFT + torch.optim.AdamW: twenty steps from equal weights give equal losses,
 * gradient norms and final weights. What the fixtures hold and how they were recorded: README.md beside this file.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { createTfjsBackend } from '@tunesmith/backend-tfjs';
import { openModelFolder, openSafetensors, readPeftAdapter } from '@tunesmith/checkpoints';
import {
  adamw,
  type Backend,
  buildModel,
  chain,
  clipByGlobalNorm,
  constantSchedule,
  createParameterStore,
  createTrainer,
  exportAdapter,
  importAdapter,
  loadWeights,
  type Method,
  type Model,
  type ParameterStore,
  type Row,
  type RowSource,
  readFloat32,
  type StoredTensor,
  sft,
  type TensorSource,
} from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { familyFor } from '@tunesmith/models';
import { full } from '@tunesmith/selective';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { fixtures, relativeError } from './fixture-values.js';

const folder = join(fixtures, 'lora-training');

const metaSchema = z.object({
  cases: z.record(
    z.string(),
    z.object({
      base: z.string(),
      steps: z.number(),
      maxGradientNorm: z.number(),
      adamw: z.object({ lr: z.number(), eps: z.number(), weight_decay: z.number() }),
    }),
  ),
});
const { cases } = metaSchema.parse(JSON.parse(readFileSync(join(folder, 'meta.json'), 'utf8')));

async function values(source: TensorSource, name: string): Promise<Float32Array> {
  return readFloat32(source.get(name) as StoredTensor);
}

async function batchRows(steps: number): Promise<Row[]> {
  const file = await openSafetensors(join(folder, 'batches.safetensors'));
  const ids = await values(file, 'input_ids');
  const weights = await values(file, 'weights');
  const [, rows = 0, length = 0] = file.get('input_ids')?.shape ?? [];
  await file.close();
  return Array.from({ length: steps * rows }, (_, row) => ({
    tokens: Int32Array.from(ids.subarray(row * length, (row + 1) * length)),
    // The first token has nothing before it to be predicted from.
    weights: weights.slice(row * length, (row + 1) * length).map((weight, index) => (index === 0 ? 0 : weight)),
  }));
}

function repeat(rows: readonly Row[]): RowSource {
  return {
    length: rows.length,
    async *read(position) {
      for (let index = Number(position); ; index++) {
        yield { row: rows[index % rows.length] as Row, position: index + 1 };
      }
    },
  };
}

interface Prepared {
  model: Model;
  method: Method;
  parameters: ParameterStore;
}

async function prepare(name: string, base: string, backend: Backend): Promise<Prepared> {
  const model = await openModelFolder(join(fixtures, base));
  const family = familyFor(model.config);
  const config = family.parseConfig(model.config);
  const isAdapter = name !== 'llama-full';
  const adapter = isAdapter ? await readPeftAdapter(join(folder, name, 'initial')) : undefined;
  const method = adapter === undefined ? full() : lora(lora.definition.fromPeft?.(adapter.config) ?? {});
  const built = buildModel({ family, config, methods: [method] });
  const parameters = createParameterStore(backend.createStore());
  await loadWeights(built, model.tensors, parameters);
  if (adapter !== undefined) await importAdapter(built, method, parameters, adapter.tensors);
  await model.close();
  await adapter?.close();
  return { model: built, method, parameters };
}

const backends: Record<string, () => Promise<Backend>> = {
  'onnx-cpu': async () => createOnnxBackend({ device: 'cpu' }),
  'tfjs-cpu': () => createTfjsBackend({ prefer: 'cpu' }),
  'tfjs-node': () => createTfjsBackend({ prefer: 'tfjs-node' }),
};
/** The script that builds tfjs-node natively asks for it; elsewhere it is not installed. */
const hasTfjsNode = process.env.TUNESMITH_REQUIRE?.split(',').includes('tfjs-node') ?? false;
/** One case shows that the eager backends take the same twenty steps; the compiled one takes them all. */
const runs = Object.keys(cases).flatMap((name) => [
  { name, backendName: 'onnx-cpu' },
  ...(name === 'llama' ? [{ name, backendName: 'tfjs-cpu' }] : []),
  ...(name === 'llama' && hasTfjsNode ? [{ name, backendName: 'tfjs-node' }] : []),
]);

describe.each(runs)('$name on $backendName', ({ name, backendName }) => {
  it('takes the same steps as PEFT and torch', async () => {
    const { base, steps, maxGradientNorm, adamw: options } = cases[name] as (typeof cases)[string];
    const backend = await (backends[backendName] as () => Promise<Backend>)();
    const { model, method, parameters } = await prepare(name, base, backend);
    const trainer = await createTrainer({
      model,
      parameters,
      backend,
      objective: sft,
      optimizer: chain(clipByGlobalNorm(maxGradientNorm), adamw({ epsilon: options.eps })),
      schedule: constantSchedule(),
      learningRate: options.lr,
      weightDecay: options.weight_decay,
      groups: [{ match: () => true, decay: options.weight_decay }],
      rows: repeat(await batchRows(steps)),
      batchSize: 4,
      steps,
      maxLength: 16,
      padToken: 0,
      seed: 0,
    });
    const losses: number[] = [];
    const norms: number[] = [];
    for await (const event of trainer.run()) {
      if (event.type !== 'step') continue;
      losses.push(event.loss);
      norms.push(event.gradientNorm);
    }
    const expected = await openSafetensors(join(folder, name, 'expected.safetensors'));
    expect(relativeError(losses, await values(expected, 'losses'))).toBeLessThan(1e-5);
    expect(relativeError(norms, await values(expected, 'gradient_norms'))).toBeLessThan(1e-4);
    await expected.close();

    const adapter = await exportAdapter(model, method, parameters);
    const final =
      name === 'llama-full'
        ? await openSafetensors(join(folder, name, 'final.safetensors'))
        : await readPeftAdapter(join(folder, name, 'final')).then(({ tensors, close }) => ({ ...tensors, close }));
    for (const tensor of adapter.tensors) {
      const recorded = name === 'llama-full' ? tensor.name.replace('base_model.model.', '') : tensor.name;
      expect(relativeError(tensor.data, await values(final, recorded)), tensor.name).toBeLessThan(1e-4);
    }
    expect(adapter.tensors.length).toBe(final.names().length);
    await final.close();
    await trainer.dispose();
    parameters.tensors.dispose();
  });
});
