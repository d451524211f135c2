/** What a quantised base costs the bundled model: its perplexity before anything trains, and what LoRA learns over it. */
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import {
  adamw,
  chain,
  clipByGlobalNorm,
  cosineSchedule,
  createExecutableCache,
  createTrainer,
  evaluate,
  type Method,
  type QuantizationSettings,
  quantizationSchema,
  type Row,
  sft,
} from '@tunesmith/core';
import { loadChatTemplate, loadTokenizer, readExamples, tokenizeExample } from '@tunesmith/data';
import { lora } from '@tunesmith/lora';
import { families } from '@tunesmith/models';
import { type LoadedModel, loadModel } from '@tunesmith/runtime';
import { modelPath, quickstartFiles } from '@tunesmith/zoo';
import { beforeAll, describe, expect, it } from 'vitest';

type Type = QuantizationSettings['type'];

const timeout = 120_000;
const maxLength = 128;
const tokenizer = await loadTokenizer(modelPath());

const load = (type?: Type, methods: readonly Method[] = []): Promise<LoadedModel> =>
  loadModel({
    ...{ path: modelPath(), families, methods, backend: createOnnxBackend(), dtype: 'float32' },
    quantization: type && quantizationSchema.parse({ type }),
  });

async function lossOf({ model, parameters, backend }: LoadedModel, rows: readonly Row[]): Promise<number> {
  const executables = createExecutableCache(backend, parameters.tensors);
  const collate = { rows: 4, maxLength, padToken: tokenizer.padId };
  const { loss } = await evaluate(rows, { model, parameters, objective: sft, executables, collate });
  await executables.dispose();
  return loss;
}

/** Lincoln at Gettysburg, 1863, and the end of his second inaugural address, 1865: of the kind that the model was trained on. */
const texts = [
  'Four score and seven years ago our fathers brought forth on this continent, a new nation, conceived in Liberty, and ' +
    'dedicated to the proposition that all men are created equal. Now we are engaged in a great civil war, testing whether ' +
    'that nation, or any nation so conceived and so dedicated, can long endure. We are met on a great battle-field of that war.',
  'We have come to dedicate a portion of that field, as a final resting place for those who here gave their lives that that ' +
    'nation might live. It is altogether fitting and proper that we should do this. But, in a larger sense, we can not ' +
    'dedicate -- we can not consecrate -- we can not hallow -- this ground.',
  'The brave men, living and dead, who struggled here, have consecrated it, far above our poor power to add or detract. The ' +
    'world will little note, nor long remember what we say here, but it can never forget what they did here.',
  'With malice toward none; with charity for all; with firmness in the right, as God gives us to see the right, let us strive ' +
    'on to finish the work we are in; to bind up the nation’s wounds; to care for him who shall have borne the battle, and ' +
    'for his widow, and his orphan.',
];

describe('the perplexity of English prose', () => {
  const rows = texts.map((text): Row => {
    const tokens = Int32Array.from(tokenizer.encode(text)).subarray(0, maxLength);
    return { tokens, weights: Float32Array.from(tokens, (_, index) => Math.min(index, 1)) };
  });
  const perplexity = async (type?: Type): Promise<number> => {
    const loaded = await load(type);
    const loss = await lossOf(loaded, rows);
    loaded.dispose();
    return Math.exp(loss);
  };
  let exact: number;
  beforeAll(async () => {
    exact = await perplexity();
  }, timeout);

  it.each<[Type, number]>([
    ['int8', 0.01],
    ['q8_0', 0.005],
    ['nf4', 0.02],
    ['fp4', 0.04],
    ['q4_0', 0.02],
    ['q4_1', 0.02],
  ])(
    'over %s is within a share of %d of that over float32',
    async (type, bound) => {
      const share = (await perplexity(type)) / exact - 1;
      if (process.env.SHOW) console.log(type, share, exact);
      expect(Math.abs(share)).toBeLessThan(bound);
      expect(share).not.toBe(0);
    },
    timeout,
  );
});

describe('LoRA on the data of the quickstart', () => {
  const rowsOf = async (file: string): Promise<Row[]> => {
    const template = loadChatTemplate(tokenizer);
    const rows: Row[] = [];
    for await (const { example } of readExamples([file])) {
      rows.push(...tokenizeExample(example, { tokenizer, template, maxLength, promptLossWeight: 0 }).rows);
    }
    return rows;
  };

  /** The loss of held-out answers after 24 steps. */
  async function trainedLoss(type?: Type): Promise<number> {
    const loaded = await load(type, [lora({ rank: 8, alpha: 16, targetModules: 'all-linear' })]);
    const rows = await rowsOf(quickstartFiles().training);
    const trainer = await createTrainer({
      ...loaded,
      objective: sft,
      optimizer: chain(clipByGlobalNorm(1), adamw()),
      schedule: cosineSchedule(0.1),
      learningRate: 5e-3,
      weightDecay: 0,
      rows: {
        async *read() {
          for (let position = 0; ; position++) yield { row: rows[position % rows.length] as Row, position };
        },
      },
      batchSize: 4,
      steps: 24,
      maxLength,
      padToken: tokenizer.padId,
      seed: 1,
    });
    for await (const _ of trainer.run());
    await trainer.dispose();
    const loss = await lossOf(loaded, (await rowsOf(quickstartFiles().heldOut)).slice(0, 16));
    loaded.dispose();
    return loss;
  }

  let exact: number;
  beforeAll(async () => {
    exact = await trainedLoss();
  }, timeout);

  it.each<[Type, number]>([
    ['nf4', 0.02],
    ['int8', 0.02],
  ])(
    'ends over %s within a share of %d of the loss over float32',
    async (type, bound) => {
      const share = (await trainedLoss(type)) / exact - 1;
      if (process.env.SHOW) console.log(type, share, exact);
      expect(share).toBeLessThan(bound);
    },
    timeout,
  );
});
