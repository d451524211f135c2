/** Answers in passages: every method over an encoder and a decoder, and what stands beside a row. */
import { createTfjsBackend } from '@tunesmith/backend-tfjs';
import {
  type Backend,
  collateRows,
  createExecutableCache,
  evaluate,
  exportAdapter,
  fourBit,
  importAdapter,
  type Method,
  memoryTensor,
  predict,
  questionAnswering,
  type Row,
  type TensorSource,
} from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { prefixTuning, promptTuning } from '@tunesmith/prefix';
import { bitfit } from '@tunesmith/selective';
import { type TinyModel, tinyModel, tinyRows } from '@tunesmith/testing';
import { describe, expect, it } from 'vitest';
import { backends } from './backends.js';
import { expectMoved } from './expect-moved.js';
import { beside, inPlace } from './learners.js';
import { type TinyFamily, tinyBert, tinyFamilies, tinyLlama } from './tiny-families.js';

const objective = questionAnswering();
const onnx = backends['onnx-cpu'] as () => Promise<Backend> | Backend;

/** Questions of three tokens, and of passages of what is left an answer of two, or none. */
function askedRows({ model }: Pick<TinyModel, 'model'>, count = 16, longest = 12): Row[] {
  return tinyRows(model, count, longest).map(({ tokens }, index) => {
    const weights = new Float32Array(tokens.length).fill(1, 3);
    weights[0] = 1;
    const places = tokens.length - 3;
    const begin = places < 2 || index % 4 === 0 ? 0 : 1 + (index % (places - 1));
    return {
      tokens,
      weights,
      labels: Float32Array.of(begin, begin === 0 ? 0 : begin + 1),
      passage: {
        text: 'x'.repeat(places),
        offset: 0,
        spans: Int32Array.from({ length: 2 * places }, (_, place) => Math.ceil(place / 2)),
        part: 0,
        answers: begin === 0 ? [] : ['xx'],
      },
    };
  });
}

async function prepare(
  family: TinyFamily,
  methods: readonly Method[],
  backend: Backend | Promise<Backend> = onnx(),
): Promise<TinyModel> {
  return tinyModel({ ...family, objective }, methods, await backend);
}

const refusals: Readonly<Record<string, RegExp>> = {
  'a saved module': /NAME_UNKNOWN.*"lm_head" matches no site/,
};
const methods = Object.entries({ ...beside, ...inPlace, bitfit: () => bitfit() });

describe.each([
  ['an encoder', tinyBert],
  ['a decoder', tinyLlama],
])('%s', (_, family: TinyFamily) => {
  it.each(methods.filter(([name]) => name !== 'bitfit' || family === tinyBert))(
    'is trained by %s',
    async (name, method) => {
      const run = prepare(family, [method()]).then((tiny) => expectMoved(tiny, askedRows(tiny)));
      const refusal = refusals[name];
      if (refusal === undefined) await run;
      else await expect(run).rejects.toThrow(refusal);
    },
  );

  it('is trained by LoRA over codes', async () => {
    const quantization = { codec: fourBit({ type: 'nf4' as const, blockSize: 16, doubleQuantization: true }) };
    const tiny = await prepare({ ...family, quantization } as TinyFamily, [lora({ rank: 2 })]);
    await expectMoved(tiny, askedRows(tiny));
  });
});

it.each(Object.entries(tinyFamilies).filter(([, { family }]) => family.tasks?.includes('question-answering') === true))(
  'is learnt by %s',
  async (_, family) => {
    const tiny = await prepare(family, [lora({ rank: 2 })]);
    await expectMoved(tiny, askedRows(tiny));
  },
);

it('has its head saved where PEFT looks for it, and read from where files of before have it', async () => {
  const saved = async (method: Method) => {
    const tiny = await prepare(tinyBert, [method]);
    const { config, tensors } = await exportAdapter(tiny.model, method, tiny.parameters, await onnx());
    return { tiny, config, tensors };
  };
  const names = ({ tensors }: { readonly tensors: readonly { readonly name: string }[] }) =>
    tensors.map(({ name }) => name).filter((name) => name.includes('qa_outputs'));
  const beside = ['base_model.qa_outputs.bias', 'base_model.qa_outputs.weight'];
  const around = beside.map((name) => name.replace('base_model.', 'base_model.model.'));
  expect(names(await saved(lora({ rank: 2 }))).sort()).toEqual(around);
  for (const method of [promptTuning({ virtualTokens: 3 }), prefixTuning({ virtualTokens: 3 })]) {
    const { tiny, config, tensors } = await saved(method);
    expect(names({ tensors }).sort()).toEqual(beside);
    expect(config).toMatchObject({ task_type: 'QUESTION_ANS', modules_to_save: ['qa_outputs'] });
    for (const inside of [false, true]) {
      const stored = tensors.map(({ name, shape, data }) => {
        const isHead = inside && beside.includes(name);
        const other = isHead ? name.replace('base_model.', 'base_model.model.') : name;
        return memoryTensor(other, shape, isHead ? Float32Array.from(data, () => 7) : data);
      });
      const file: TensorSource = {
        names: () => stored.map(({ name }) => name),
        get: (name) => stored.find((tensor) => tensor.name === name),
      };
      await importAdapter(tiny.model, method, tiny.parameters, file);
    }
    const again = await exportAdapter(tiny.model, method, tiny.parameters, await onnx());
    const head = again.tensors.filter(({ name }) => beside.includes(name));
    expect(head.flatMap(({ data }) => [...data]).every((value) => value === 7)).toBe(true);
    tiny.parameters.tensors.dispose();
  }
});

it('is refused by a family without a head for it', async () => {
  await expect(prepare(tinyFamilies.t5, [])).rejects.toThrow(/CAPABILITY_MISSING.*t5 family has no head for question-/);
});

describe('a row', () => {
  /** The loss of each row, and what is predicted of it, in batches of so many. */
  async function each(tiny: TinyModel, rows: readonly Row[], size: number) {
    const { model, parameters, backend } = tiny;
    const executables = createExecutableCache(backend, parameters.tensors);
    const run = { model, parameters, objective, executables, collate: { rows: size, maxLength: 64, padToken: 0 } };
    const { loss } = await evaluate(rows, run);
    const logits: number[][] = [];
    for await (const values of predict(rows, run)) {
      const { passage } = rows[logits.length] as Row;
      logits.push([...values.subarray(0, (passage?.spans.length ?? 0) + 2)]);
    }
    await executables.dispose();
    return { loss, logits };
  }

  it.each(Object.entries({ 'onnx-cpu': onnx, 'tfjs-cpu': () => createTfjsBackend({ prefer: 'cpu' }) }))(
    'has the loss of its own tokens, whatever fills the batch up, on %s',
    async (_, create) => {
      const tiny = await prepare(tinyBert, [lora({ rank: 2 })], create());
      // By itself a short row is as wide as 16 tokens, beside a long one wider.
      const rows = [...askedRows(tiny, 3), ...askedRows(tiny, 8, 40).filter(({ tokens }) => tokens.length > 24)];
      expect(rows.length).toBeGreaterThan(3);
      const apart = await each(tiny, rows, 1);
      const together = await each(tiny, rows, 8);
      expect(together.loss).toBeCloseTo(apart.loss, 5);
      for (const [index, logits] of apart.logits.entries()) {
        for (const [at, logit] of logits.entries()) expect(together.logits[index]?.[at]).toBeCloseTo(logit, 4);
      }
      tiny.parameters.tensors.dispose();
    },
  );

  it('has its places behind virtual tokens', async () => {
    const tiny = await prepare(tinyBert, [promptTuning({ virtualTokens: 3 })]);
    const [row] = askedRows(tiny, 2).slice(1) as [Row];
    const { columns } = collateRows(tiny.model, objective, [row], { rows: 1, maxLength: 64, padToken: 0 });
    const first = row.labels?.[0] as number;
    expect([...(columns.places?.data ?? [])].slice(0, 3)).toEqual([3, 6, 7]);
    expect([...(columns.begins?.data ?? [])]).toEqual([first === 0 ? 3 : first + 5]);
    tiny.parameters.tensors.dispose();
  });
});
