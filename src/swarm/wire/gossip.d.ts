import type { Codec, DecodeOptions } from 'protons-runtime';
import type { Uint8ArrayList } from 'uint8arraylist';
export interface GossipMessage {
    head: Uint8Array<ArrayBuffer>;
    delta?: DeltaMessage;
}
export declare namespace GossipMessage {
    const codec: () => Codec<GossipMessage>;
    interface GossipMessageHeadFieldEvent {
        field: '$.head';
        value: Uint8Array<ArrayBuffer>;
    }
    interface GossipMessageDeltaBaseSeqFieldEvent {
        field: '$.delta.baseSeq';
        value: number;
    }
    interface GossipMessageDeltaMetaFieldEvent {
        field: '$.delta.meta';
        value: Uint8Array<ArrayBuffer>;
    }
    interface GossipMessageDeltaAddedFieldEvent {
        field: '$.delta.added[]';
        index: number;
        value: Uint8Array<ArrayBuffer>;
    }
    interface GossipMessageDeltaRemovedFieldEvent {
        field: '$.delta.removed[]';
        index: number;
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<GossipMessage>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<GossipMessage>): GossipMessage;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<GossipMessage>): Generator<GossipMessageHeadFieldEvent | GossipMessageDeltaBaseSeqFieldEvent | GossipMessageDeltaMetaFieldEvent | GossipMessageDeltaAddedFieldEvent | GossipMessageDeltaRemovedFieldEvent>;
}
export interface DeltaMessage {
    baseSeq: number;
    meta?: Uint8Array<ArrayBuffer>;
    added: Uint8Array<ArrayBuffer>[];
    removed: Uint8Array<ArrayBuffer>[];
}
export declare namespace DeltaMessage {
    const codec: () => Codec<DeltaMessage>;
    interface DeltaMessageBaseSeqFieldEvent {
        field: '$.baseSeq';
        value: number;
    }
    interface DeltaMessageMetaFieldEvent {
        field: '$.meta';
        value: Uint8Array<ArrayBuffer>;
    }
    interface DeltaMessageAddedFieldEvent {
        field: '$.added[]';
        index: number;
        value: Uint8Array<ArrayBuffer>;
    }
    interface DeltaMessageRemovedFieldEvent {
        field: '$.removed[]';
        index: number;
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<DeltaMessage>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<DeltaMessage>): DeltaMessage;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<DeltaMessage>): Generator<DeltaMessageBaseSeqFieldEvent | DeltaMessageMetaFieldEvent | DeltaMessageAddedFieldEvent | DeltaMessageRemovedFieldEvent>;
}
export interface HeadsMessage {
    heads: KnownHeadMessage[];
}
export declare namespace HeadsMessage {
    const codec: () => Codec<HeadsMessage>;
    interface HeadsMessageHeadsHeadFieldEvent {
        field: '$.heads[].head';
        value: Uint8Array<ArrayBuffer>;
        index: number;
    }
    interface HeadsMessageHeadsAgeMsFieldEvent {
        field: '$.heads[].ageMs';
        value: number;
        index: number;
    }
    function encode(obj: Partial<HeadsMessage>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<HeadsMessage>): HeadsMessage;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<HeadsMessage>): Generator<HeadsMessageHeadsHeadFieldEvent | HeadsMessageHeadsAgeMsFieldEvent>;
}
export interface KnownHeadMessage {
    head: Uint8Array<ArrayBuffer>;
    ageMs: number;
}
export declare namespace KnownHeadMessage {
    const codec: () => Codec<KnownHeadMessage>;
    interface KnownHeadMessageHeadFieldEvent {
        field: '$.head';
        value: Uint8Array<ArrayBuffer>;
    }
    interface KnownHeadMessageAgeMsFieldEvent {
        field: '$.ageMs';
        value: number;
    }
    function encode(obj: Partial<KnownHeadMessage>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<KnownHeadMessage>): KnownHeadMessage;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<KnownHeadMessage>): Generator<KnownHeadMessageHeadFieldEvent | KnownHeadMessageAgeMsFieldEvent>;
}
export interface RecordRequest {
    peerId: Uint8Array<ArrayBuffer>;
}
export declare namespace RecordRequest {
    const codec: () => Codec<RecordRequest>;
    interface RecordRequestPeerIdFieldEvent {
        field: '$.peerId';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<RecordRequest>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<RecordRequest>): RecordRequest;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<RecordRequest>): Generator<RecordRequestPeerIdFieldEvent>;
}
export interface RecordOutline {
    head: Uint8Array<ArrayBuffer>;
    meta: Uint8Array<ArrayBuffer>;
    entryHashes: Uint8Array<ArrayBuffer>;
}
export declare namespace RecordOutline {
    const codec: () => Codec<RecordOutline>;
    interface RecordOutlineHeadFieldEvent {
        field: '$.head';
        value: Uint8Array<ArrayBuffer>;
    }
    interface RecordOutlineMetaFieldEvent {
        field: '$.meta';
        value: Uint8Array<ArrayBuffer>;
    }
    interface RecordOutlineEntryHashesFieldEvent {
        field: '$.entryHashes';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<RecordOutline>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<RecordOutline>): RecordOutline;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<RecordOutline>): Generator<RecordOutlineHeadFieldEvent | RecordOutlineMetaFieldEvent | RecordOutlineEntryHashesFieldEvent>;
}
export interface EntriesRequest {
    wanted: Uint8Array<ArrayBuffer>;
}
export declare namespace EntriesRequest {
    const codec: () => Codec<EntriesRequest>;
    interface EntriesRequestWantedFieldEvent {
        field: '$.wanted';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<EntriesRequest>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<EntriesRequest>): EntriesRequest;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<EntriesRequest>): Generator<EntriesRequestWantedFieldEvent>;
}
export interface EntriesMessage {
    entries: Uint8Array<ArrayBuffer>[];
}
export declare namespace EntriesMessage {
    const codec: () => Codec<EntriesMessage>;
    interface EntriesMessageEntriesFieldEvent {
        field: '$.entries[]';
        index: number;
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<EntriesMessage>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<EntriesMessage>): EntriesMessage;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<EntriesMessage>): Generator<EntriesMessageEntriesFieldEvent>;
}
