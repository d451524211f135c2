export type {
  Attribute,
  ElementType,
  ExternalInitializer,
  Initializer,
  OnnxModel,
  OnnxNode,
  ValueInfo,
} from './emit/onnx-model.js';
export { writeModel } from './emit/write-model.js';
export type { LoweredProgram, OutputSpec } from './lower/lower-program.js';
export { lowerProgram } from './lower/lower-program.js';
export type { Binding, BoundInput, StoredFormat } from './lower/lowering.js';
export type { OpRule, OpTable } from './lower/op-rule.js';
export { opTable, webgpuOpTable } from './lower/op-table.js';
export type { Attributes, Origin, TracedProgram, TraceNode, Value } from './trace/graph.js';
export type { StoredSpecs } from './trace/trace-program.js';
export { traceProgram } from './trace/trace-program.js';
