/**
 * LoRA and full fine-tuning against PEFT + torch.optim.AdamW: twenty steps from equal weights give equal losses,
 * gradient norms and final weights. What the fixtures hold and how they were recorded: README.md beside this file.
 */
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { createTfjsBackend } from '@tunesmith/backend-tfjs';
import { openSafetensors, readPeftAdapter } from '@tunesmith/checkpoints';
import type { Backend } from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { full } from '@tunesmith/selective';
import { describe, it } from 'vitest';
import { fixtures } from './fixture-values.js';
import { expectTensors, prepareModel, type RecordedCase, recordedCases, takeRecordedSteps } from './recorded-steps.js';

const topic = 'lora-training';
const cases = recordedCases(topic);

const backends: Record<string, () => Promise<Backend>> = {
  'onnx-cpu': async () => createOnnxBackend({ device: 'cpu' }),
  'onnx-cuda': async () => createOnnxBackend({ device: 'cuda' }),
  'onnx-webgpu': async () => createOnnxBackend({ device: 'webgpu' }),
  'tfjs-cpu': () => createTfjsBackend({ prefer: 'cpu' }),
  'tfjs-node': () => createTfjsBackend({ prefer: 'tfjs-node' }),
};
/** What a machine's own script asks for by name: a GPU, or tfjs-node built natively. */
const asked = process.env.TUNESMITH_PARITY?.split(',') ?? [];
/** One case shows that the other backends take the same twenty steps; the compiled one on the CPU takes them all. */
const runs = Object.keys(cases).flatMap((name) => [
  { name, backendName: 'onnx-cpu' },
  ...(name === 'llama' ? ['tfjs-cpu', ...asked].map((backendName) => ({ name, backendName })) : []),
]);

describe.each(runs)('$name on $backendName', ({ name, backendName }) => {
  it('takes the same steps as PEFT and torch', async () => {
    const recorded = cases[name] as RecordedCase;
    const backend = await (backends[backendName] as () => Promise<Backend>)();
    if (name === 'llama-full') {
      const prepared = await prepareModel(recorded.base, full(), backend);
      const trained = await takeRecordedSteps(prepared, { topic, name, recorded });
      const final = await openSafetensors(join(fixtures, topic, name, 'final.safetensors'));
      await expectTensors(trained, final, (tensor) => tensor.replace('base_model.model.', ''));
      await final.close();
      prepared.parameters.tensors.dispose();
      return;
    }
    const initial = await readPeftAdapter(join(fixtures, topic, name, 'initial'));
    const method = lora(lora.definition.fromPeft?.(initial.config) ?? {});
    const prepared = await prepareModel(recorded.base, method, backend, initial.tensors);
    await initial.close();
    const trained = await takeRecordedSteps(prepared, { topic, name, recorded });
    const final = await readPeftAdapter(join(fixtures, topic, name, 'final'));
    await expectTensors(trained, final.tensors);
    await final.close();
    prepared.parameters.tensors.dispose();
  });
});
