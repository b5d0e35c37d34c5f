// SPDX-License-Identifier: MIT

/// Turns the footer's flattened tree of schema elements into leaf columns.
enum Schema {
    /// Limits that bound what a small hostile footer can make grow; real schemas stay far below.
    static let depthLimit = 64
    static let leafLimit = 100_000

    /// One `SchemaElement` of parquet.thrift.
    struct Element {
        var offset = 0
        var type: PhysicalType?
        var repetition: Repetition?
        var name = ""
        var childCount = 0
        var convertedType: Int32?
        var logicalType: Int?
    }

    /// Reads one element; which of its fields make sense together is looked at in `leaves`.
    static func element(_ reader: inout ThriftReader) throws -> Element {
        var element = Element(), last = 0, named = false
        element.offset = reader.position
        while let field = try reader.nextField(after: &last) {
            switch field.id {
            case 1:
                let code = try reader.int32(field, "a column's type")
                guard let type = PhysicalType(rawValue: code) else {
                    throw Problem(at: element.offset, "a column has the type \(code)", valid: "types are 0...7")
                }
                element.type = type
            case 3:
                let code = try reader.int32(field, "a column's repetition")
                guard let repetition = Repetition(rawValue: code) else {
                    throw Problem(at: element.offset, "a column has the repetition \(code)", valid: "repetitions are 0...2")
                }
                element.repetition = repetition
            case 4:
                element.name = try reader.string(field, "a column's name")
                named = true
            case 5: element.childCount = try reader.size(field, "a group's number of children")
            case 6: element.convertedType = try reader.int32(field, "a column's converted type")
            case 10: element.logicalType = try unionMember(&reader, field)
            default: try reader.skip(field)
            }
        }
        guard named else { throw Problem(at: element.offset, "a schema element has no name", valid: "every element has one") }
        return element
    }

    /// The id of the field that a union (a structure with one field) holds.
    private static func unionMember(_ reader: inout ThriftReader, _ field: ThriftReader.Field) throws -> Int? {
        guard field.kind == .structure else {
            try reader.skip(field)
            return nil
        }
        var last = 0, member: Int?
        while let inner = try reader.nextField(after: &last) {
            member = inner.id
            try reader.skip(inner)
        }
        return member
    }

    /// An open group on the way from the root to the element at hand.
    private struct Group {
        var childrenLeft: Int
        let path: [String]
        let definitionLevel: Int
        let repetitionLevel: Int
    }

    /// The leaves in the order in which every row group lists its columns.
    static func leaves(_ elements: [Element]) throws -> [ColumnDescriptor] {
        guard let root = elements.first else {
            throw Problem("the schema is empty", valid: "a schema has at least a root")
        }
        var leaves: [ColumnDescriptor] = []
        var open = [Group(childrenLeft: root.childCount, path: [], definitionLevel: 0, repetitionLevel: 0)]
        for element in elements.dropFirst() {
            while let top = open.last, top.childrenLeft == 0 { open.removeLast() }
            guard let parent = open.last else {
                throw Problem(
                    at: element.offset, "'\(element.name)' belongs to no group", valid: "the groups' counts must add up")
            }
            open[open.count - 1].childrenLeft -= 1
            guard let repetition = element.repetition else {
                throw Problem(at: element.offset, "'\(element.name)' has no repetition", valid: "only the root has none")
            }
            let path = parent.path + [element.name]
            let definitionLevel = parent.definitionLevel + (repetition == .required ? 0 : 1)
            let repetitionLevel = parent.repetitionLevel + (repetition == .repeated ? 1 : 0)
            if let type = element.type, element.childCount == 0 {
                leaves.append(
                    ColumnDescriptor(
                        pathComponents: path, physicalType: type,
                        logicalType: logicalName(element.logicalType) ?? convertedName(element.convertedType),
                        repetition: repetition, maxDefinitionLevel: definitionLevel, maxRepetitionLevel: repetitionLevel))
            } else {
                open.append(
                    Group(
                        childrenLeft: element.childCount, path: path, definitionLevel: definitionLevel,
                        repetitionLevel: repetitionLevel))
            }
            guard open.count <= depthLimit, leaves.count <= leafLimit else {
                throw Problem(
                    .tooLarge, at: element.offset, "the schema has more than \(depthLimit) levels or \(leafLimit) columns",
                    valid: "choose a file with fewer")
            }
        }
        guard open.allSatisfy({ $0.childrenLeft == 0 }) else {
            throw Problem("the schema ends before its groups are full", valid: "the groups' counts must add up")
        }
        return leaves
    }

    /// Names of the members of `LogicalType` by field id; 9 is not used.
    private static let logicalNames = [
        "", "STRING", "MAP", "LIST", "ENUM", "DECIMAL", "DATE", "TIME", "TIMESTAMP", "", "INTEGER", "UNKNOWN", "JSON", "BSON",
        "UUID", "FLOAT16", "VARIANT", "GEOMETRY", "GEOGRAPHY",
    ]

    /// Names of `ConvertedType`, which `LogicalType` has replaced.
    private static let convertedNames = [
        "UTF8", "MAP", "MAP_KEY_VALUE", "LIST", "ENUM", "DECIMAL", "DATE", "TIME_MILLIS", "TIME_MICROS", "TIMESTAMP_MILLIS",
        "TIMESTAMP_MICROS", "UINT_8", "UINT_16", "UINT_32", "UINT_64", "INT_8", "INT_16", "INT_32", "INT_64", "JSON", "BSON",
        "INTERVAL",
    ]

    /// The logical type's name; nil for one that is newer than this table.
    private static func logicalName(_ id: Int?) -> String? {
        guard let id, logicalNames.indices.contains(id), !logicalNames[id].isEmpty else { return nil }
        return logicalNames[id]
    }

    private static func convertedName(_ code: Int32?) -> String? {
        guard let code, convertedNames.indices.contains(Int(code)) else { return nil }
        return convertedNames[Int(code)]
    }
}
