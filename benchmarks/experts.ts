/**
 * `npm run bench:experts`: what a step of eight experts costs, top-1, at a capacity of 1.25 and without one, beside the same model
 * with one of them as its feed-forward layer: 8 blocks of 768 wide (`wide-80m`) with random weights, fp32, two threads, one row of
 * 512 tokens of which a quarter are predicted. Steps take turns, so that each ratio is of neighbours; the ratio is their median.
 */
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import {
  adamw,
  buildModel,
  chain,
  clipByGlobalNorm,
  constantSchedule,
  createParameterStore,
  createTrainer,
  elementCount,
  initialiseHandles,
  type Method,
  type StepEvent,
  sft,
} from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { llama, mixtral } from '@tunesmith/models';
import { median } from './median.js';
import { shapes } from './step-options.js';

const quick = process.argv.includes('--quick');
const turns = quick ? 1 : 15;
const length = quick ? 64 : 512;
const dense = { ...shapes[quick ? 'small' : 'wide-80m'], tie_word_embeddings: false };
const sparse = {
  ...{ ...dense, model_type: 'mixtral', num_local_experts: 8, num_experts_per_tok: 1 },
  output_router_logits: true,
};
const capacities = [1.25, null];

interface Runner {
  /** Seconds of the next step, and what it says. */
  step(): Promise<{ readonly seconds: number; readonly event: StepEvent }>;
  dispose(): Promise<void>;
}

async function runner(family: typeof llama, json: Record<string, unknown>, method: Method): Promise<Runner> {
  const model = buildModel({ family, config: family.parseConfig(json), methods: [method] });
  const backend = createOnnxBackend({ device: 'cpu', threads: 2 });
  const parameters = createParameterStore(backend.createStore());
  let state = 1;
  for (const handle of model.handles) {
    if (handle.init !== undefined) continue;
    const values = Float32Array.from({ length: elementCount(handle.shape) }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) | 0;
      return handle.shape.length === 1 ? 1 : (state / 2 ** 31) * 0.03;
    });
    await parameters.write(handle, values);
  }
  await initialiseHandles(parameters, model.handles, 1);
  const { vocabularySize } = model.shape;
  const trainer = await createTrainer({
    ...{ model, parameters, backend, objective: sft, schedule: constantSchedule() },
    ...{ optimizer: chain(clipByGlobalNorm(1), adamw()), learningRate: 1e-4, weightDecay: 0 },
    ...{ batchSize: 1, steps: turns + 1, maxLength: length, padToken: 0, seed: 1 },
    rows: {
      async *read() {
        for (let index = 0; ; index++) {
          const tokens = Int32Array.from({ length }, (_, at) => (index * 7919 + at * at * 31 + at) % vocabularySize);
          const weights = Float32Array.from({ length }, (_, at) => (at >= 0.75 * length ? 1 : 0));
          yield { row: { tokens, weights }, position: index };
        }
      },
    },
  });
  const events = trainer.run();
  return {
    async step() {
      for (;;) {
        const start = performance.now();
        const { value } = await events.next();
        const seconds = (performance.now() - start) / 1000;
        if (value?.type === 'step') return { seconds, event: value };
      }
    },
    async dispose() {
      await trainer.dispose();
      parameters.tensors.dispose();
    },
  };
}

const attention = ['q_proj', 'v_proj'];
const cases = {
  'LoRA on q and v': { dense: attention, sparse: attention },
  'LoRA on all matrices, each expert’s too': { dense: 'all-linear', sparse: '.*(_proj|\\.w[123])' },
} as const;

console.log('| | dense s | experts s | ratio | bar | largest over mean | dropped |');
console.log('| --- | --- | --- | --- | --- | --- | --- |');
for (const [name, targets] of Object.entries(cases)) {
  for (const capacity of capacities) await compare(name, targets, capacity);
}

async function compare(name: string, targets: (typeof cases)[keyof typeof cases], capacity: number | null) {
  const method = (targetModules: string | readonly string[]): Method =>
    lora({ rank: 8, alpha: 16, targetModules: targetModules as string });
  const runners = [
    await runner(llama, dense, method(targets.dense)),
    await runner(mixtral, { ...sparse, expert_capacity_factor: capacity }, method(targets.sparse)),
  ] as const;
  // The first step compiles.
  for (const each of runners) await each.step();
  const times: [number, number][] = [];
  const observed: StepEvent['observed'][] = [];
  for (let turn = 0; turn < turns; turn++) {
    const [one, several] = [await runners[0].step(), await runners[1].step()];
    times.push([one.seconds, several.seconds]);
    observed.push(several.event.observed);
  }
  for (const each of runners) await each.dispose();
  const of = (key: string): string => median(observed.map((each) => each[`experts.${key}`] ?? 0)).toFixed(2);
  const [one, several] = [0, 1].map((index) => median(times.map((pair) => pair[index] as number)).toFixed(3));
  const ratio = median(times.map(([first, second]) => second / first)).toFixed(2);
  const bar = capacity === null ? '' : '1.6';
  console.log(
    `| ${[`${name}, ${capacity ?? 'no'} capacity`, one, several, ratio, bar, of('largestOverMean'), of('droppedShare')].join(' | ')} |`,
  );
}
