/** Load an adapter that Hugging Face PEFT trained, and go on training it. The one here was recorded by parity/. */
import { fileURLToPath } from 'node:url';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { openModelFolder, readPeftAdapter } from '@tunesmith/checkpoints';
import { buildModel, createParameterStore, importAdapter, loadWeights } from '@tunesmith/core';
import { lora } from '@tunesmith/lora';
import { familyFor } from '@tunesmith/models';

const recorded = (path: string): string => fileURLToPath(new URL(`../parity/fixtures/${path}`, import.meta.url));
const base = await openModelFolder(recorded('families/llama'));
const adapter = await readPeftAdapter(recorded('lora-training/llama/final'));

// The method as adapter_config.json describes it; a field that Tunesmith cannot honour is an error here.
const config = lora.definition.fromPeft?.(adapter.config);
if (!config) throw new Error(`This is no LoRA adapter but ${adapter.config.peft_type}.`);
const method = lora(config);

const family = familyFor(base.config);
const model = buildModel({ family, config: family.parseConfig(base.config), methods: [method] });
const parameters = createParameterStore(createOnnxBackend().createStore());
await loadWeights(model, base.tensors, parameters);
await importAdapter(model, method, parameters, adapter.tensors);

console.log(method.config);
for (const { path, shape } of model.ownedBy(method)) console.log(`${path}  [${shape.join(', ')}]`);

await adapter.close();
await base.close();
parameters.tensors.dispose();
