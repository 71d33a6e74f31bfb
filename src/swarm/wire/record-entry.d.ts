import type { Codec, DecodeOptions } from 'protons-runtime';
import type { Uint8ArrayList } from 'uint8arraylist';
export interface EntryMessage {
    model?: ModelEntryMessage;
    partial?: PartialEntryMessage;
}
export declare namespace EntryMessage {
    const codec: () => Codec<EntryMessage>;
    interface EntryMessageModelIdFieldEvent {
        field: '$.model.id';
        value: Uint8Array<ArrayBuffer>;
    }
    interface EntryMessageModelAliasesFieldEvent {
        field: '$.model.aliases[]';
        index: number;
        value: Uint8Array<ArrayBuffer>;
    }
    interface EntryMessageModelDigestFieldEvent {
        field: '$.model.digest';
        value: Uint8Array<ArrayBuffer>;
    }
    interface EntryMessageModelFilesPathFieldEvent {
        field: '$.model.files[].path';
        value: Uint8Array<ArrayBuffer>;
        index: number;
    }
    interface EntryMessageModelFilesSizeBytesFieldEvent {
        field: '$.model.files[].sizeBytes';
        value: number;
        index: number;
    }
    interface EntryMessageModelFilesSha256FieldEvent {
        field: '$.model.files[].sha256';
        value: Uint8Array<ArrayBuffer>;
        index: number;
    }
    interface EntryMessageModelFilesManifestFieldEvent {
        field: '$.model.files[].manifest';
        value: Uint8Array<ArrayBuffer>;
        index: number;
    }
    interface EntryMessageModelMetadataFormatFieldEvent {
        field: '$.model.metadata.format';
        value: Uint8Array<ArrayBuffer>;
    }
    interface EntryMessageModelMetadataArchitectureFieldEvent {
        field: '$.model.metadata.architecture';
        value: Uint8Array<ArrayBuffer>;
    }
    interface EntryMessageModelMetadataFamilyFieldEvent {
        field: '$.model.metadata.family';
        value: Uint8Array<ArrayBuffer>;
    }
    interface EntryMessageModelMetadataParametersFieldEvent {
        field: '$.model.metadata.parameters';
        value: number;
    }
    interface EntryMessageModelMetadataQuantisationFieldEvent {
        field: '$.model.metadata.quantisation';
        value: Uint8Array<ArrayBuffer>;
    }
    interface EntryMessageModelMetadataContextLengthFieldEvent {
        field: '$.model.metadata.contextLength';
        value: number;
    }
    interface EntryMessageModelMetadataNameFieldEvent {
        field: '$.model.metadata.name';
        value: Uint8Array<ArrayBuffer>;
    }
    interface EntryMessageModelRetiredFieldEvent {
        field: '$.model.retired';
        value: boolean;
    }
    interface EntryMessagePartialSha256FieldEvent {
        field: '$.partial.sha256';
        value: Uint8Array<ArrayBuffer>;
    }
    interface EntryMessagePartialSizeBytesFieldEvent {
        field: '$.partial.sizeBytes';
        value: number;
    }
    interface EntryMessagePartialManifestFieldEvent {
        field: '$.partial.manifest';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<EntryMessage>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<EntryMessage>): EntryMessage;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<EntryMessage>): Generator<EntryMessageModelIdFieldEvent | EntryMessageModelAliasesFieldEvent | EntryMessageModelDigestFieldEvent | EntryMessageModelFilesPathFieldEvent | EntryMessageModelFilesSizeBytesFieldEvent | EntryMessageModelFilesSha256FieldEvent | EntryMessageModelFilesManifestFieldEvent | EntryMessageModelMetadataFormatFieldEvent | EntryMessageModelMetadataArchitectureFieldEvent | EntryMessageModelMetadataFamilyFieldEvent | EntryMessageModelMetadataParametersFieldEvent | EntryMessageModelMetadataQuantisationFieldEvent | EntryMessageModelMetadataContextLengthFieldEvent | EntryMessageModelMetadataNameFieldEvent | EntryMessageModelRetiredFieldEvent | EntryMessagePartialSha256FieldEvent | EntryMessagePartialSizeBytesFieldEvent | EntryMessagePartialManifestFieldEvent>;
}
export interface ModelEntryMessage {
    id: Uint8Array<ArrayBuffer>;
    aliases: Uint8Array<ArrayBuffer>[];
    digest: Uint8Array<ArrayBuffer>;
    files: ModelFileMessage[];
    metadata?: MetadataMessage;
    retired: boolean;
}
export declare namespace ModelEntryMessage {
    const codec: () => Codec<ModelEntryMessage>;
    interface ModelEntryMessageIdFieldEvent {
        field: '$.id';
        value: Uint8Array<ArrayBuffer>;
    }
    interface ModelEntryMessageAliasesFieldEvent {
        field: '$.aliases[]';
        index: number;
        value: Uint8Array<ArrayBuffer>;
    }
    interface ModelEntryMessageDigestFieldEvent {
        field: '$.digest';
        value: Uint8Array<ArrayBuffer>;
    }
    interface ModelEntryMessageFilesPathFieldEvent {
        field: '$.files[].path';
        value: Uint8Array<ArrayBuffer>;
        index: number;
    }
    interface ModelEntryMessageFilesSizeBytesFieldEvent {
        field: '$.files[].sizeBytes';
        value: number;
        index: number;
    }
    interface ModelEntryMessageFilesSha256FieldEvent {
        field: '$.files[].sha256';
        value: Uint8Array<ArrayBuffer>;
        index: number;
    }
    interface ModelEntryMessageFilesManifestFieldEvent {
        field: '$.files[].manifest';
        value: Uint8Array<ArrayBuffer>;
        index: number;
    }
    interface ModelEntryMessageMetadataFormatFieldEvent {
        field: '$.metadata.format';
        value: Uint8Array<ArrayBuffer>;
    }
    interface ModelEntryMessageMetadataArchitectureFieldEvent {
        field: '$.metadata.architecture';
        value: Uint8Array<ArrayBuffer>;
    }
    interface ModelEntryMessageMetadataFamilyFieldEvent {
        field: '$.metadata.family';
        value: Uint8Array<ArrayBuffer>;
    }
    interface ModelEntryMessageMetadataParametersFieldEvent {
        field: '$.metadata.parameters';
        value: number;
    }
    interface ModelEntryMessageMetadataQuantisationFieldEvent {
        field: '$.metadata.quantisation';
        value: Uint8Array<ArrayBuffer>;
    }
    interface ModelEntryMessageMetadataContextLengthFieldEvent {
        field: '$.metadata.contextLength';
        value: number;
    }
    interface ModelEntryMessageMetadataNameFieldEvent {
        field: '$.metadata.name';
        value: Uint8Array<ArrayBuffer>;
    }
    interface ModelEntryMessageRetiredFieldEvent {
        field: '$.retired';
        value: boolean;
    }
    function encode(obj: Partial<ModelEntryMessage>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ModelEntryMessage>): ModelEntryMessage;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ModelEntryMessage>): Generator<ModelEntryMessageIdFieldEvent | ModelEntryMessageAliasesFieldEvent | ModelEntryMessageDigestFieldEvent | ModelEntryMessageFilesPathFieldEvent | ModelEntryMessageFilesSizeBytesFieldEvent | ModelEntryMessageFilesSha256FieldEvent | ModelEntryMessageFilesManifestFieldEvent | ModelEntryMessageMetadataFormatFieldEvent | ModelEntryMessageMetadataArchitectureFieldEvent | ModelEntryMessageMetadataFamilyFieldEvent | ModelEntryMessageMetadataParametersFieldEvent | ModelEntryMessageMetadataQuantisationFieldEvent | ModelEntryMessageMetadataContextLengthFieldEvent | ModelEntryMessageMetadataNameFieldEvent | ModelEntryMessageRetiredFieldEvent>;
}
export interface ModelFileMessage {
    path: Uint8Array<ArrayBuffer>;
    sizeBytes: number;
    sha256: Uint8Array<ArrayBuffer>;
    manifest: Uint8Array<ArrayBuffer>;
}
export declare namespace ModelFileMessage {
    const codec: () => Codec<ModelFileMessage>;
    interface ModelFileMessagePathFieldEvent {
        field: '$.path';
        value: Uint8Array<ArrayBuffer>;
    }
    interface ModelFileMessageSizeBytesFieldEvent {
        field: '$.sizeBytes';
        value: number;
    }
    interface ModelFileMessageSha256FieldEvent {
        field: '$.sha256';
        value: Uint8Array<ArrayBuffer>;
    }
    interface ModelFileMessageManifestFieldEvent {
        field: '$.manifest';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<ModelFileMessage>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ModelFileMessage>): ModelFileMessage;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ModelFileMessage>): Generator<ModelFileMessagePathFieldEvent | ModelFileMessageSizeBytesFieldEvent | ModelFileMessageSha256FieldEvent | ModelFileMessageManifestFieldEvent>;
}
export interface MetadataMessage {
    format: Uint8Array<ArrayBuffer>;
    architecture?: Uint8Array<ArrayBuffer>;
    family?: Uint8Array<ArrayBuffer>;
    parameters?: number;
    quantisation?: Uint8Array<ArrayBuffer>;
    contextLength?: number;
    name?: Uint8Array<ArrayBuffer>;
}
export declare namespace MetadataMessage {
    const codec: () => Codec<MetadataMessage>;
    interface MetadataMessageFormatFieldEvent {
        field: '$.format';
        value: Uint8Array<ArrayBuffer>;
    }
    interface MetadataMessageArchitectureFieldEvent {
        field: '$.architecture';
        value: Uint8Array<ArrayBuffer>;
    }
    interface MetadataMessageFamilyFieldEvent {
        field: '$.family';
        value: Uint8Array<ArrayBuffer>;
    }
    interface MetadataMessageParametersFieldEvent {
        field: '$.parameters';
        value: number;
    }
    interface MetadataMessageQuantisationFieldEvent {
        field: '$.quantisation';
        value: Uint8Array<ArrayBuffer>;
    }
    interface MetadataMessageContextLengthFieldEvent {
        field: '$.contextLength';
        value: number;
    }
    interface MetadataMessageNameFieldEvent {
        field: '$.name';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<MetadataMessage>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<MetadataMessage>): MetadataMessage;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<MetadataMessage>): Generator<MetadataMessageFormatFieldEvent | MetadataMessageArchitectureFieldEvent | MetadataMessageFamilyFieldEvent | MetadataMessageParametersFieldEvent | MetadataMessageQuantisationFieldEvent | MetadataMessageContextLengthFieldEvent | MetadataMessageNameFieldEvent>;
}
export interface PartialEntryMessage {
    sha256: Uint8Array<ArrayBuffer>;
    sizeBytes: number;
    manifest: Uint8Array<ArrayBuffer>;
}
export declare namespace PartialEntryMessage {
    const codec: () => Codec<PartialEntryMessage>;
    interface PartialEntryMessageSha256FieldEvent {
        field: '$.sha256';
        value: Uint8Array<ArrayBuffer>;
    }
    interface PartialEntryMessageSizeBytesFieldEvent {
        field: '$.sizeBytes';
        value: number;
    }
    interface PartialEntryMessageManifestFieldEvent {
        field: '$.manifest';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<PartialEntryMessage>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<PartialEntryMessage>): PartialEntryMessage;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<PartialEntryMessage>): Generator<PartialEntryMessageSha256FieldEvent | PartialEntryMessageSizeBytesFieldEvent | PartialEntryMessageManifestFieldEvent>;
}
