import type { Codec, DecodeOptions } from 'protons-runtime';
import type { Uint8ArrayList } from 'uint8arraylist';
export interface HeadMessage {
    peerId: Uint8Array<ArrayBuffer>;
    seq: number;
    beat: number;
    recordHash: Uint8Array<ArrayBuffer>;
    freeBytes: number;
    issuedAt: number;
    totalBytes?: number;
}
export declare namespace HeadMessage {
    const codec: () => Codec<HeadMessage>;
    interface HeadMessagePeerIdFieldEvent {
        field: '$.peerId';
        value: Uint8Array<ArrayBuffer>;
    }
    interface HeadMessageSeqFieldEvent {
        field: '$.seq';
        value: number;
    }
    interface HeadMessageBeatFieldEvent {
        field: '$.beat';
        value: number;
    }
    interface HeadMessageRecordHashFieldEvent {
        field: '$.recordHash';
        value: Uint8Array<ArrayBuffer>;
    }
    interface HeadMessageFreeBytesFieldEvent {
        field: '$.freeBytes';
        value: number;
    }
    interface HeadMessageIssuedAtFieldEvent {
        field: '$.issuedAt';
        value: number;
    }
    interface HeadMessageTotalBytesFieldEvent {
        field: '$.totalBytes';
        value: number;
    }
    function encode(obj: Partial<HeadMessage>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<HeadMessage>): HeadMessage;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<HeadMessage>): Generator<HeadMessagePeerIdFieldEvent | HeadMessageSeqFieldEvent | HeadMessageBeatFieldEvent | HeadMessageRecordHashFieldEvent | HeadMessageFreeBytesFieldEvent | HeadMessageIssuedAtFieldEvent | HeadMessageTotalBytesFieldEvent>;
}
export interface SignedHeadMessage {
    head: Uint8Array<ArrayBuffer>;
    signature: Uint8Array<ArrayBuffer>;
}
export declare namespace SignedHeadMessage {
    const codec: () => Codec<SignedHeadMessage>;
    interface SignedHeadMessageHeadFieldEvent {
        field: '$.head';
        value: Uint8Array<ArrayBuffer>;
    }
    interface SignedHeadMessageSignatureFieldEvent {
        field: '$.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<SignedHeadMessage>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<SignedHeadMessage>): SignedHeadMessage;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<SignedHeadMessage>): Generator<SignedHeadMessageHeadFieldEvent | SignedHeadMessageSignatureFieldEvent>;
}
