import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { type Backend, buildModel, createParameterStore, type Model, type ParameterStore } from '@tunesmith/core';
import { llama } from '@tunesmith/models';
import { full } from '@tunesmith/selective';
import { modelConfig } from './recipe.js';

export interface BaseModel {
  readonly model: Model;
  readonly parameters: ParameterStore;
  readonly backend: Backend;
}

/** The model of the recipe, every weight of which trains, without values. */
export function buildBaseModel(threads: number): BaseModel {
  const backend = createOnnxBackend({ threads });
  const config = llama.parseConfig(modelConfig);
  const model = buildModel({ family: llama, config, methods: [full()] });
  return { model, parameters: createParameterStore(backend.createStore()), backend };
}
