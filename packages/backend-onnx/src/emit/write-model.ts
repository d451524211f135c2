import { PbfWriter } from 'pbf';
import {
  type Attribute,
  type ExternalInitializer,
  elementTypeCodes,
  type Initializer,
  type OnnxModel,
  type OnnxNode,
  type ValueInfo,
} from './onnx-model.js';

const irVersion = 10;
/** The newest that has all we need but BitCast, which is of 26. */
const opsets = { usual: 21, withBitCast: 26 };

/** Serialises a model as `ModelProto`; field numbers are those of onnx/onnx.proto. */
export function writeModel(model: OnnxModel): Uint8Array {
  const writer = new PbfWriter();
  writer.writeVarintField(1, irVersion);
  writer.writeStringField(2, 'tunesmith');
  writer.writeMessage(7, writeGraph, model);
  const version = model.nodes.some(({ type }) => type === 'BitCast') ? opsets.withBitCast : opsets.usual;
  writer.writeMessage(8, writeOpset, { domain: '', version });
  writer.writeMessage(8, writeOpset, { domain: 'com.microsoft', version: 1 });
  return writer.finish();
}

function writeOpset({ domain, version }: { domain: string; version: number }, writer: PbfWriter): void {
  writer.writeStringField(1, domain);
  writer.writeVarintField(2, version);
}

function writeGraph(model: OnnxModel, writer: PbfWriter): void {
  for (const node of model.nodes) writer.writeMessage(1, writeNode, node);
  writer.writeStringField(2, model.name);
  for (const initializer of model.initializers) writer.writeMessage(5, writeTensor, initializer);
  for (const initializer of model.externalInitializers ?? []) writer.writeMessage(5, writeExternalTensor, initializer);
  for (const input of model.inputs) writer.writeMessage(11, writeValueInfo, input);
  for (const output of model.outputs) writer.writeMessage(12, writeValueInfo, output);
  for (const value of model.values ?? []) writer.writeMessage(13, writeValueInfo, value);
}

function writeNode(node: OnnxNode, writer: PbfWriter): void {
  for (const input of node.inputs) writer.writeStringField(1, input);
  for (const output of node.outputs) writer.writeStringField(2, output);
  writer.writeStringField(3, node.name);
  writer.writeStringField(4, node.type);
  for (const attribute of Object.entries(node.attributes)) writer.writeMessage(5, writeAttribute, attribute);
  if (node.domain !== '') writer.writeStringField(7, node.domain);
}

/** `AttributeProto.type`: FLOAT 1, INT 2, STRING 3, INTS 7. */
function writeAttribute([name, value]: [string, Attribute], writer: PbfWriter): void {
  writer.writeStringField(1, name);
  if (typeof value === 'number') {
    writer.writeVarintField(3, value);
    writer.writeVarintField(20, 2);
  } else if (typeof value === 'string') {
    writer.writeBytesField(4, new TextEncoder().encode(value));
    writer.writeVarintField(20, 3);
  } else if ('float' in value) {
    writer.writeFloatField(2, value.float);
    writer.writeVarintField(20, 1);
  } else {
    for (const item of value) writer.writeVarintField(8, item);
    writer.writeVarintField(20, 7);
  }
}

function writeTensor(tensor: Initializer, writer: PbfWriter): void {
  for (const size of tensor.shape) writer.writeVarintField(1, size);
  writer.writeVarintField(2, elementTypeCodes[tensor.type]);
  writer.writeStringField(8, tensor.name);
  writer.writeBytesField(9, tensor.bytes);
}

/** `TensorProto.data_location`: EXTERNAL 1. The elements' place is a file's name, or what a session is told to take for it. */
function writeExternalTensor({ name, type, shape }: ExternalInitializer, writer: PbfWriter): void {
  for (const size of shape) writer.writeVarintField(1, size);
  writer.writeVarintField(2, elementTypeCodes[type]);
  writer.writeStringField(8, name);
  writer.writeMessage(13, writeEntry, ['location', name]);
  writer.writeVarintField(14, 1);
}

function writeEntry([key, value]: [string, string], writer: PbfWriter): void {
  writer.writeStringField(1, key);
  writer.writeStringField(2, value);
}

function writeValueInfo({ name, type, shape }: ValueInfo, writer: PbfWriter): void {
  writer.writeStringField(1, name);
  writer.writeMessage(2, writeTypeProto, { type, shape });
}

type TensorType = Pick<ValueInfo, 'type' | 'shape'>;

function writeTypeProto(tensorType: TensorType, writer: PbfWriter): void {
  writer.writeMessage(1, writeTensorType, tensorType);
}

function writeTensorType({ type, shape }: TensorType, writer: PbfWriter): void {
  writer.writeVarintField(1, elementTypeCodes[type]);
  writer.writeMessage(2, writeShape, shape);
}

function writeShape(shape: ValueInfo['shape'], writer: PbfWriter): void {
  for (const size of shape) writer.writeMessage(1, writeDimension, size);
}

function writeDimension(size: number | string, writer: PbfWriter): void {
  if (typeof size === 'number') writer.writeVarintField(1, size);
  else writer.writeStringField(2, size);
}
