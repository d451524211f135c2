export { openSafetensors, type SafetensorsFile } from './safetensors/open-safetensors.js';
export { writeSafetensors } from './safetensors/write-safetensors.js';
