import type { Codec, DecodeOptions } from 'protons-runtime';
import type { Uint8ArrayList } from 'uint8arraylist';
export interface ManifestMessage {
    sizeBytes: number;
    pieceSizeBytes: number;
    sha256: Uint8Array<ArrayBuffer>;
    pieceHashes: Uint8Array<ArrayBuffer>;
}
export declare namespace ManifestMessage {
    const codec: () => Codec<ManifestMessage>;
    interface ManifestMessageSizeBytesFieldEvent {
        field: '$.sizeBytes';
        value: number;
    }
    interface ManifestMessagePieceSizeBytesFieldEvent {
        field: '$.pieceSizeBytes';
        value: number;
    }
    interface ManifestMessageSha256FieldEvent {
        field: '$.sha256';
        value: Uint8Array<ArrayBuffer>;
    }
    interface ManifestMessagePieceHashesFieldEvent {
        field: '$.pieceHashes';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<ManifestMessage>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ManifestMessage>): ManifestMessage;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ManifestMessage>): Generator<ManifestMessageSizeBytesFieldEvent | ManifestMessagePieceSizeBytesFieldEvent | ManifestMessageSha256FieldEvent | ManifestMessagePieceHashesFieldEvent>;
}
