export { type ModelFolder, openModelFolder } from './model-folder/open-model-folder.js';
export { type ModelFolderContents, writeModelFolder } from './model-folder/write-model-folder.js';
export { openSafetensors, type SafetensorsFile } from './safetensors/open-safetensors.js';
export { writeSafetensors } from './safetensors/write-safetensors.js';
