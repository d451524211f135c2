import { serveTrial } from '@tunesmith/bench/trial';
import { createEngine, hubSettings } from './engine.js';

await serveTrial(({ request, place }) =>
  createEngine({
    hub: place.hub ?? hubSettings(),
    cacheFolder: place.cacheFolder,
    ...(request.threads !== null && { threads: request.threads }),
  }),
);
