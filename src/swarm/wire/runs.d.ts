import type { Codec, DecodeOptions } from 'protons-runtime';
import type { Uint8ArrayList } from 'uint8arraylist';
export interface RunsRequest {
    draft: Uint8Array<ArrayBuffer>;
}
export declare namespace RunsRequest {
    const codec: () => Codec<RunsRequest>;
    interface RunsRequestDraftFieldEvent {
        field: '$.draft';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<RunsRequest>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<RunsRequest>): RunsRequest;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<RunsRequest>): Generator<RunsRequestDraftFieldEvent>;
}
export interface RunMessage {
    draft: Uint8Array<ArrayBuffer>;
    reader: Uint8Array<ArrayBuffer>;
    first: number;
    hashes: Uint8Array<ArrayBuffer>;
}
export declare namespace RunMessage {
    const codec: () => Codec<RunMessage>;
    interface RunMessageDraftFieldEvent {
        field: '$.draft';
        value: Uint8Array<ArrayBuffer>;
    }
    interface RunMessageReaderFieldEvent {
        field: '$.reader';
        value: Uint8Array<ArrayBuffer>;
    }
    interface RunMessageFirstFieldEvent {
        field: '$.first';
        value: number;
    }
    interface RunMessageHashesFieldEvent {
        field: '$.hashes';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<RunMessage>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<RunMessage>): RunMessage;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<RunMessage>): Generator<RunMessageDraftFieldEvent | RunMessageReaderFieldEvent | RunMessageFirstFieldEvent | RunMessageHashesFieldEvent>;
}
export interface SignedRunMessage {
    run: Uint8Array<ArrayBuffer>;
    signature: Uint8Array<ArrayBuffer>;
}
export declare namespace SignedRunMessage {
    const codec: () => Codec<SignedRunMessage>;
    interface SignedRunMessageRunFieldEvent {
        field: '$.run';
        value: Uint8Array<ArrayBuffer>;
    }
    interface SignedRunMessageSignatureFieldEvent {
        field: '$.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<SignedRunMessage>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<SignedRunMessage>): SignedRunMessage;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<SignedRunMessage>): Generator<SignedRunMessageRunFieldEvent | SignedRunMessageSignatureFieldEvent>;
}
