/**
 * Mix-and-match adapters (He et al. 2021), prefix tuning through its MLP with a parallel adapter, against AdapterHub's
 * MAMConfig + torch.optim.AdamW on BERT with a classifier and on Llama: equal logits before and after twenty steps, and equal
 * losses, gradient norms and weights. Recorded by record_adapterhub_training.py.
 */
import { join } from 'node:path';
import { parallel } from '@tunesmith/adapter';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { classification, type Handle, sft } from '@tunesmith/core';
import { prefixTuning } from '@tunesmith/prefix';
import { describe, expect, it } from 'vitest';
import { fixtures, readFixture, relativeError } from './fixture-values.js';
import { logitsOf, scoresOf } from './logits.js';
import { type Prepared, prepareModel, type RecordedCase, recordedCases, takeRecordedSteps } from './recorded-steps.js';

const topic = 'adapterhub-training';
const length = 5;
const methods = [
  prefixTuning({ virtualTokens: length, projection: true, projectionSize: 12 }),
  parallel({ reductionFactor: 8 }),
] as const;

describe.each(['bert', 'gpt2'])('on %s', (base) => {
  const name = `${base}-mam`;
  const recorded = recordedCases(topic)[name] as RecordedCase;
  const objective = base === 'bert' ? classification({ labels: 3 }) : sft;

  it('takes the same steps as AdapterHub and torch', async () => {
    const prepared = await prepareModel(recorded.base, methods, createOnnxBackend(), undefined, objective);
    const { model, parameters } = prepared;
    const [initial, final] = await Promise.all(['initial', 'final'].map((state) => weightsOf(join(name, state))));
    expect(new Set(model.trained.map(({ path }) => path))).toEqual(new Set(initial?.keys()));
    for (const handle of model.trained)
      await parameters.write(handle, Float32Array.from(initial?.get(handle.path) ?? []));

    await movePositions(prepared);
    await expectProbe(prepared, name, 'initial', 1e-5);
    await takeRecordedSteps(prepared, { topic, name, recorded, objective });
    for (const handle of model.trained) {
      const expected = final?.get(handle.path) as Float32Array;
      expect(relativeError(await parameters.read(handle), expected), handle.path).toBeLessThan(1e-4);
    }
    await expectProbe(prepared, name, 'final', 1e-4);
    parameters.tensors.dispose();
  });
});

/**
 * Moves the rows of the learnt positions behind the prefix: here a prefix takes the first positions, as in PEFT, in
 * AdapterHub none.
 */
async function movePositions({ model, parameters }: Prepared): Promise<void> {
  const handle = model.handles.find(({ path }) => /\.(position_embeddings|wpe)\.weight$/.test(path)) as Handle;
  const table = await parameters.read(handle);
  const taken = length * (handle.shape[1] as number);
  const moved = table.slice();
  moved.set(table.subarray(0, -taken), taken);
  await parameters.write(handle, moved);
}

/** AdapterHub's weights by our names: the prefix is not in any layer, and the other adapter has no pool of its own. */
async function weightsOf(folder: string): Promise<Map<string, Float32Array>> {
  const recorded = await readFixture(join(fixtures, topic, folder, 'weights.safetensors'));
  const prefix = /^.*self_prefix\./;
  const prefixNames: Record<string, string> = {
    wte: 'embedding',
    'control_trans.0': 'transform.0',
    'control_trans.2': 'transform.2',
  };
  return new Map(
    [...recorded].map(([path, values]) => {
      if (!prefix.test(path)) return [path.replace('.adapters.task', '').replace('output_adapters', 'mlp'), values];
      const own = path.replace(prefix, '');
      const module = own.slice(0, own.lastIndexOf('.'));
      return [`prompt_embeddings.${own.replace(module, prefixNames[module] as string)}`, values];
    }),
  );
}

/** Compares the scores of the two recorded texts, or the logits `[2, 16, vocabulary]` of all tokens. */
async function expectProbe(prepared: Prepared, name: string, state: string, tolerance: number): Promise<void> {
  const ids = (await readFixture(join(fixtures, topic, 'batches.safetensors'))).get('probe_ids') as Float32Array;
  const { data } = await (name.startsWith('bert') ? scoresOf : logitsOf)(prepared, ids, [2, 16]);
  const expected = await readFixture(join(fixtures, topic, name, 'expected.safetensors'));
  expect(relativeError(data, expected.get(`probe_logits.${state}`) as Float32Array)).toBeLessThan(tolerance);
}
