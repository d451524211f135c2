export { adapterManifestFile } from './adapter/adapter-files.js';
export { type OpenAdapter, openAdapter } from './adapter/open-adapter.js';
export { type AdapterHubAdapter, readAdapterHubAdapter } from './adapterhub/read-adapterhub-adapter.js';
export { type AdapterHubContents, writeAdapterHubAdapter } from './adapterhub/write-adapterhub-adapter.js';
export {
  bitsandbytesConfig,
  bitsandbytesTensors,
  type EncodedWeight,
  hasBitsandbytesForm,
} from './bitsandbytes/write-bitsandbytes.js';
export { type GgufFile, isGguf, openGguf } from './gguf/open-gguf.js';
export { type DownloadedDataset, downloadDataset } from './hub/download-dataset.js';
export {
  type DownloadedModel,
  type DownloadOptions,
  type DownloadProgress,
  downloadModel,
} from './hub/download-model.js';
export type { JsonObject } from './json/strict-json.js';
export {
  defineVersionedJson,
  type Migration,
  type VersionedJson,
  type VersionedJsonDefinition,
} from './json/versioned-json.js';
export { type ModelFolder, openModelFolder } from './model-folder/open-model-folder.js';
export { type ModelFolderContents, writeModelFolder } from './model-folder/write-model-folder.js';
export { fromPeftName, toPeftName } from './peft/peft-names.js';
export { type PeftAdapter, readPeftAdapter } from './peft/read-peft-adapter.js';
export { type PeftAdapterContents, writePeftAdapter } from './peft/write-peft-adapter.js';
export { type CheckpointEntry, latestCheckpoint, listCheckpoints } from './run/list-checkpoints.js';
export { pruneCheckpoints, type Retention } from './run/prune-checkpoints.js';
export { readCheckpoint } from './run/read-checkpoint.js';
export { type Checkpoint, type CheckpointTensor, writeCheckpoint } from './run/write-checkpoint.js';
export { openSafetensors, type SafetensorsFile } from './safetensors/open-safetensors.js';
export { writeSafetensors } from './safetensors/write-safetensors.js';
