import type { Backend, Family, MethodFactory, ObjectiveFactory } from '@tunesmith/core';
import type { Recipe } from '../recipe/recipe.js';

/** What computes: the devices of a recipe. */
export type Device = Recipe['device'];

/** Where models are downloaded from and to. Environment variables are the caller's to read. */
export interface HubSettings {
  /** The Hugging Face cache, shared with Python's. */
  readonly cacheDir: string;
  readonly endpoint?: string;
  readonly token?: string;
}

/** The parts that a caller puts in: the runtime itself knows no family, method or backend. */
export interface Engine {
  readonly families: readonly Family[];
  readonly methods: readonly MethodFactory[];
  /** Objectives of plugins, beside the runtime's own; none if not said. */
  readonly objectives?: readonly ObjectiveFactory[];
  createBackend(device: Device): Backend | Promise<Backend>;
  /** Absent where models come from folders only. */
  readonly hub?: HubSettings;
  /** Where tokenised rows are kept between runs; safe to delete. */
  readonly cacheFolder: string;
}

/** Tells what takes long, in a few words for people: "loading the model". */
export type OnPhase = (phase: string) => void;

/** Tells what is gone on with in spite of a doubt, in a sentence for people. */
export type OnWarning = (warning: string) => void;
