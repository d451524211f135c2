import { probeBackend } from '@tunesmith/runtime';
import { createEngine } from './engine.js';

const device = process.argv[2] as 'cpu' | 'webgpu' | 'cuda' | 'tfjs';
try {
  const backend = await createEngine().createBackend(device);
  const milliseconds = await probeBackend(backend);
  const reason = 'reason' in backend ? `, ${backend.reason}` : '';
  process.send?.({ works: true, detail: `${backend.name} computes (${milliseconds.toFixed(0)} ms${reason})` });
} catch (error) {
  process.send?.({ works: false, detail: error instanceof Error ? error.message : String(error) });
}
process.disconnect();
