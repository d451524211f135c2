import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { createTfjsBackend } from '@tunesmith/backend-tfjs';
import type { MethodFactory, ObjectiveFactory } from '@tunesmith/core';
import { families } from '@tunesmith/models';
import type { Device, Engine, HubSettings } from '@tunesmith/runtime';

export interface EngineOptions {
  readonly methods?: readonly MethodFactory[];
  readonly objectives?: readonly ObjectiveFactory[];
  readonly hub?: HubSettings;
  readonly cacheFolder?: string;
  /** Threads of ONNX Runtime; its own choice if not said. */
  readonly threads?: number;
}

/** Every family and backend of Tunesmith, wired for the runtime; the methods, and the objectives of plugins, are the caller's. */
export function createEngine(options: EngineOptions = {}): Engine {
  const { threads } = options;
  return {
    families,
    methods: options.methods ?? [],
    objectives: options.objectives ?? [],
    createBackend: (device: Device) =>
      device === 'tfjs' ? createTfjsBackend() : createOnnxBackend({ device, ...(threads && { threads }) }),
    hub: options.hub ?? hubSettings(),
    cacheFolder: options.cacheFolder ?? cacheFolder(),
  };
}

/** The Hub as Python's huggingface_hub would use it: HF_HOME, HF_HUB_CACHE, HF_ENDPOINT and HF_TOKEN. */
export function hubSettings(environment: NodeJS.ProcessEnv = process.env): HubSettings {
  const { HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN, XDG_CACHE_HOME } = environment;
  const home = HF_HOME ?? join(XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'huggingface');
  return {
    cacheDir: HF_HUB_CACHE ?? join(home, 'hub'),
    ...(HF_ENDPOINT ? { endpoint: HF_ENDPOINT } : {}),
    ...(HF_TOKEN ? { token: HF_TOKEN } : {}),
  };
}

/** Where tokenised rows are kept: TUNESMITH_CACHE, else beside other programs' caches. */
export function cacheFolder({ TUNESMITH_CACHE, XDG_CACHE_HOME }: NodeJS.ProcessEnv = process.env): string {
  return TUNESMITH_CACHE ?? join(XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'tunesmith');
}

/** Where plugins are looked for: the user's folder first, then beside this command. */
export function pluginRoots(): string[] {
  return [process.cwd(), dirname(fileURLToPath(import.meta.url))];
}
