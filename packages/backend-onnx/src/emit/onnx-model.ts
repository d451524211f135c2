/** The part of ONNX's model format that lowering uses, as plain data. */
export type ElementType = 'float32' | 'int32' | 'int64' | 'bool' | 'float16' | 'bfloat16' | 'uint16' | 'uint8' | 'int8';

/** `TensorProto.DataType` (onnx/onnx.proto). */
export const elementTypeCodes: Readonly<Record<ElementType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  bfloat16: 16,
};

/** Integers become INT attributes; a FLOAT needs the `float` wrapper, since JavaScript has one number type. */
export type Attribute = number | string | readonly number[] | { readonly float: number };

export interface OnnxNode {
  readonly name: string;
  readonly type: string;
  /** Empty for the standard operator set. */
  readonly domain: string;
  /** An empty name is an optional input left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

export interface ValueInfo {
  readonly name: string;
  readonly type: ElementType;
  /** Sizes, or names of sizes that differ from run to run. */
  readonly shape: readonly (number | string)[];
}

export interface Initializer extends ValueInfo {
  readonly shape: readonly number[];
  /** Little-endian elements. */
  readonly bytes: Uint8Array;
}

/** A constant whose elements are given to the session beside the model, under its name. */
export interface ExternalInitializer extends ValueInfo {
  readonly shape: readonly number[];
}

export interface OnnxModel {
  readonly name: string;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  /** Values between, of a shape that ONNX Runtime would not find out. */
  readonly values?: readonly ValueInfo[];
  readonly initializers: readonly Initializer[];
  readonly externalInitializers?: readonly ExternalInitializer[];
  readonly nodes: readonly OnnxNode[];
}
