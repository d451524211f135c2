/**
 * Diff pruning against PyTorch written from its paper and code, on the noise that our programs draw: equal gates and differences
 * when they are pruned, the same ones kept, and over all twenty steps equal losses, gradient norms and final differences.
 * How it was recorded: README.md beside this file.
 */
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { classification, type Method, type StageHost, sft } from '@tunesmith/core';
import { diffPruning } from '@tunesmith/selective';
import { describe, expect, it } from 'vitest';
import { fixtures, readFixture, relativeError } from './fixture-values.js';
import { prepareModel, recordedCases, takeRecordedSteps } from './recorded-steps.js';

const topic = 'diff-pruning';

type Tensors = Map<string, Float32Array | Int32Array>;

/** A method that shows what lies beside the weights whenever one of its stages is entered. */
function watched(method: Method, show: (tensors: Tensors) => void): Method {
  const read = async (host: StageHost): Promise<Tensors> => {
    const own = host.handles.filter(({ owner }) => owner === method.name);
    return new Map(await Promise.all(own.map(async (handle) => [handle.path, await host.read(handle)] as const)));
  };
  return {
    ...method,
    stages: (run, weights) =>
      (method.stages?.(run, weights) ?? []).map((stage) => ({
        ...stage,
        async enter(host) {
          show(await read(host));
          return (await stage.enter?.(host)) ?? {};
        },
      })),
  };
}

/** Largest difference by kind of tensor, relative to the largest number of that kind: what moved little has no more correct digits for that. */
function expectByKind(actual: Tensors, expected: Tensors): void {
  const kinds = new Set([...expected.keys()].map((name) => name.slice(name.lastIndexOf('.'))));
  expect([...actual.keys()].sort()).toEqual([...expected.keys()].sort());
  for (const kind of kinds) {
    const names = [...expected.keys()].filter((name) => name.endsWith(kind));
    const [got, wanted] = [actual, expected].map((all) => names.map((name) => all.get(name) as Float32Array));
    if (kind === '.positions') {
      expect(got?.map((values) => [...values])).toEqual(wanted?.map((values) => [...values]));
    } else
      expect(relativeError(got?.flatMap((v) => [...v]) ?? [], wanted?.flatMap((v) => [...v]) ?? []), kind).toBeLessThan(
        1e-4,
      );
  }
}

describe.each(Object.entries(recordedCases(topic)))('%s', (name, recorded) => {
  const file = (content: string) => readFixture(join(fixtures, topic, name, `${content}.safetensors`));

  it('draws the same gates, keeps the same differences and takes the same steps as torch', async () => {
    const isDecoder = recorded.base.startsWith('families');
    const [batches, objective] = isDecoder ? ['lora-training', sft] : ['fish-mask', classification({ labels: 3 })];
    let border: Tensors = new Map();
    const method = watched(diffPruning(recorded.options), (tensors) => {
      border = tensors;
    });
    const backend = createOnnxBackend({ device: 'cpu' });
    const prepared = await prepareModel(recorded.base, method, backend, undefined, objective);
    const trained = await takeRecordedSteps(prepared, { topic, name, recorded, batches, objective, groups: [] });

    expectByKind(border, await file('border'));
    const adapter = trained.tensors.map(
      ({ name: tensor, data }) => [tensor.replace('base_model.model.', ''), data] as const,
    );
    expectByKind(new Map(adapter), await file('final'));
    prepared.parameters.tensors.dispose();
  });
});
