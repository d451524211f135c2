import { fileURLToPath } from 'node:url';

const inPackage = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** The folder of the bundled model: a Hugging Face model folder, as `--model` takes it. */
export function modelPath(): string {
  return inPackage('model');
}

/** Chat rows for a first fine-tuning: sentences about a ship's cargo, each with the record that it becomes. */
export function quickstartFiles(): { readonly training: string; readonly heldOut: string } {
  return { training: inPackage('data/quickstart.jsonl'), heldOut: inPackage('data/heldout.jsonl') };
}

/** Passages of the model's own domain that it was not trained on: what a fine-tuning loses there is what it forgets. */
export function ownDomainFile(): string {
  return inPackage('data/own-domain.jsonl');
}
