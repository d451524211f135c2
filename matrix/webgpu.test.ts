/** Training on WebGPU takes the steps that it takes on the CPU: every family, and LoRA, over NF4 too. */
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { adamw, type Backend, chain, clipByGlobalNorm, fourBit, type Method, TunesmithError } from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { full } from '@tunesmith/selective';
import { type TinyModelCase, tinyModel, trainTiny } from '@tunesmith/testing';
import { expect, it, type TestContext } from 'vitest';
import { tinyFamilies } from './tiny-families.js';

/** At AdamW's own 1e-8, an element whose true gradient is zero moves by the sign of its rounding. */
const optimizer = chain(clipByGlobalNorm(1), adamw({ epsilon: 1e-2 }));

/** Losses of two steps, the second on what the first left on the device, and by how far each trained weight moved. */
async function steps(testCase: TinyModelCase, method: Method, backend: Backend) {
  const tiny = await tinyModel(testCase, [method], backend);
  const read = () => Promise.all(tiny.model.trained.map((handle) => tiny.parameters.read(handle)));
  const before = (await read()).map((values) => Float32Array.from(values));
  const losses = await trainTiny(tiny, { steps: 2, optimizer });
  const after = await read();
  tiny.parameters.tensors.dispose();
  // Without rotary positions softmax takes no notice of a bias of the keys: its true gradient is zero.
  const still = new Set(
    tiny.model.sites.map((site) => (site.role === 'attention.key' && 'biasHandle' in site ? site.biasHandle : null)),
  );
  const movements = tiny.model.trained.map((handle, index) => ({
    path: handle.path,
    mayBeStill: still.has(handle),
    values: (after[index] as Float32Array).map((value, at) => value - (before[index]?.[at] as number)),
  }));
  return { losses, movements };
}

/** Steps on WebGPU; where the machine has no adapter the test is skipped, unless TUNESMITH_REQUIRE names it. */
async function stepsOnWebgpu(testCase: TinyModelCase, method: Method, { skip }: TestContext) {
  try {
    return await steps(testCase, method, createOnnxBackend({ device: 'webgpu' }));
  } catch (error) {
    const absent = TunesmithError.isInstance(error) && error.code === 'BACKEND_UNAVAILABLE';
    if (absent && process.env.TUNESMITH_REQUIRE !== 'webgpu') return skip(error.message);
    throw error;
  }
}

/** Losses to 1e-4, relative (shaders compute exponentials and sines to fewer digits); movements to 2 % of the learning rate of 0.01, which bounds a step of an element. */
async function expectEqualSteps(testCase: TinyModelCase, method: Method, context: TestContext): Promise<void> {
  const got = await stepsOnWebgpu(testCase, method, context);
  const expected = await steps(testCase, method, createOnnxBackend({ device: 'cpu' }));
  for (const [step, loss] of expected.losses.entries()) {
    expect(Math.abs((got.losses[step] as number) / loss - 1), `loss of step ${step + 1}`).toBeLessThan(1e-4);
  }
  for (const [index, { path, values, mayBeStill }] of expected.movements.entries()) {
    const other = got.movements[index]?.values as Float32Array;
    expect(mayBeStill || values.some((value) => Math.abs(value) > 1e-4), `${path} moves`).toBe(true);
    const worst = Math.max(...values.map((value, at) => Math.abs(value - (other[at] as number))));
    expect(worst, path).toBeLessThan(2e-4);
  }
}

/** A session compiles in seconds on a GPU, and in ten times that in software on a busy machine. */
const timeout = 180_000;

it.for(Object.entries(tinyFamilies))('%s: all weights', { timeout }, ([, family], context) =>
  expectEqualSteps(family, full(), context),
);

it('llama: LoRA on all linear layers, with dropout', { timeout }, (context) =>
  expectEqualSteps(tinyFamilies.llama, lora({ rank: 2, dropout: 0.1, targetModules: 'all-linear' }), context),
);

it('llama: LoRA over matrices in NF4', { timeout }, (context) => {
  const quantization = { codec: fourBit({ type: 'nf4', blockSize: 16, doubleQuantization: true }) };
  const over = lora({ rank: 2, targetModules: 'all-linear' });
  return expectEqualSteps({ ...tinyFamilies.llama, quantization }, over, context);
});
