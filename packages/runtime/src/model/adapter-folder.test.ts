import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writePeftAdapter } from '@tunesmith/checkpoints';
import { memoryTensor } from '@tunesmith/core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { adapterManifestText, describeAdapter } from './adapter-folder.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'manifest-'));
});
afterAll(() => rm(folder, { recursive: true }));

it("reads its own manifest, and refuses a newer Tunesmith's", async () => {
  const manifest = {
    ...{ method: 'lora', config: { rank: 1 }, step: 7, template: null, stage: null, objective: null },
    resizeVocabulary: false,
    quantization: null,
  };
  const path = join(folder, 'adapter');
  await writePeftAdapter(path, {
    config: { peft_type: 'LORA', r: 1, target_modules: ['q_proj'] },
    tensors: [memoryTensor('base_model.model.q_proj.lora_A.weight', [1, 2], Float32Array.of(1, 2))],
    manifest: adapterManifestText(manifest),
  });
  expect((await describeAdapter(path)).manifest).toEqual(manifest);
  await writeFile(join(path, 'tunesmith.json'), JSON.stringify({ version: 2, ...manifest }));
  await expect(describeAdapter(path)).rejects.toThrow(
    /API_VERSION at .*adapter manifest was written by a newer.*got 2/,
  );
});
