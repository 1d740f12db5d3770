//! Frames as bytes: one record batch in an Arrow IPC *file*, with Grafana's metadata.
//!
//! Grafana's Go SDK defines the form (`data.UnmarshalArrowFrame`): the schema's metadata has `name`, `refId` and the
//! JSON `meta`; a field's has `name` and the JSON `labels` and `config`. Times are in nanoseconds, and a column is
//! nullable only where it holds a null. A list is JSON, which is Arrow's binary type there: the SDK knows no column of
//! lists and refuses the whole frame for one.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Float64Array, RecordBatch, RecordBatchOptions, StringArray,
    TimestampNanosecondArray,
};
use arrow_buffer::NullBuffer;
use arrow_ipc::writer::FileWriter;
use arrow_schema::{ArrowError, DataType, Field as ArrowField, Schema, TimeUnit};

use crate::error::{Category, Error, Result};
use crate::frame::{Field, Frame, Values};

/// Encodes a frame of the query `ref_id`.
///
/// # Errors
/// [`Category::Internal`] if the columns are not equally long.
pub(super) fn encode(frame: &Frame, ref_id: &str) -> Result<Vec<u8>> {
    encode_arrow(frame, ref_id).map_err(|error| {
        Error::new(Category::Internal, format!("frame \"{}\" cannot be encoded: {error}", frame.name))
            .hint("report this as a defect of the plugin")
    })
}

fn encode_arrow(frame: &Frame, ref_id: &str) -> std::result::Result<Vec<u8>, ArrowError> {
    let (fields, columns): (Vec<ArrowField>, Vec<ArrayRef>) = frame.fields.iter().map(column).unzip();
    let mut metadata =
        HashMap::from([("name".to_owned(), frame.name.clone()), ("refId".to_owned(), ref_id.to_owned())]);
    if !frame.meta.is_empty() {
        metadata.insert(
            "meta".to_owned(),
            serde_json::to_string(&frame.meta).map_err(|error| ArrowError::JsonError(error.to_string()))?,
        );
    }
    let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
    let rows = RecordBatchOptions::new().with_row_count(Some(frame.rows()));
    let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &rows)?;
    let mut writer = FileWriter::try_new(Vec::new(), &schema)?;
    writer.write(&batch)?;
    writer.finish()?;
    writer.into_inner()
}

fn column(field: &Field) -> (ArrowField, ArrayRef) {
    let (data_type, array): (DataType, ArrayRef) = match &field.values {
        Values::Time(times) => {
            let nanos = times.iter().map(|ms| ms.saturating_mul(1_000_000));
            (
                DataType::Timestamp(TimeUnit::Nanosecond, None),
                Arc::new(TimestampNanosecondArray::from_iter_values(nanos)),
            )
        }
        Values::Number(numbers) => (DataType::Float64, Arc::new(numbers_with_nulls(numbers))),
        Values::Text(texts) => (DataType::Utf8, Arc::new(StringArray::from_iter_values(texts))),
        Values::Flag(flags) => (DataType::Boolean, Arc::new(BooleanArray::from(flags.clone()))),
        Values::List(lists) => {
            let json = lists.iter().map(|list| serde_json::json!(list).to_string());
            (DataType::Binary, Arc::new(BinaryArray::from_iter_values(json)))
        }
    };
    let mut metadata = HashMap::from([("name".to_owned(), field.name.clone())]);
    if !field.labels.is_empty() {
        metadata.insert("labels".to_owned(), serde_json::json!(field.labels).to_string());
    }
    if !field.config.is_empty() {
        metadata.insert("config".to_owned(), serde_json::json!(field.config).to_string());
    }
    let nullable = array.null_count() > 0;
    (ArrowField::new(&field.name, data_type, nullable).with_metadata(metadata), array)
}

fn numbers_with_nulls(numbers: &[f64]) -> Float64Array {
    let nulls = numbers
        .iter()
        .any(|number| number.is_nan())
        .then(|| NullBuffer::from_iter(numbers.iter().map(|number| !number.is_nan())));
    Float64Array::new(numbers.to_vec().into(), nulls)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float64Type, TimestampNanosecondType};
    use arrow_ipc::reader::FileReader;
    use serde_json::{Map, Value, json};

    use super::*;

    fn frame() -> Frame {
        let config: Map<String, Value> = serde_json::from_value(json!({"unit": "reqps"})).unwrap();
        let field = |name: &str, values| Field {
            name: name.to_owned(),
            labels: [("host".to_owned(), "a".to_owned())].into(),
            config: config.clone(),
            values,
        };
        Frame {
            name: "requests".to_owned(),
            meta: serde_json::from_value(json!({"type": "timeseries-multi", "typeVersion": [0, 1]})).unwrap(),
            fields: vec![
                field("time", Values::Time(vec![1_000, 2_000])),
                field("value", Values::Number(vec![1.5, f64::NAN])),
                field("score", Values::Number(vec![0.5, 0.75])),
                field("text", Values::Text(vec!["a".to_owned(), "b".to_owned()])),
            ],
        }
    }

    fn read(bytes: Vec<u8>) -> (Arc<Schema>, Vec<RecordBatch>) {
        let reader = FileReader::try_new(Cursor::new(bytes), None).unwrap();
        (reader.schema(), reader.map(|batch| batch.unwrap()).collect())
    }

    #[test]
    fn labels_and_config_stand_side_by_side_and_times_are_nanoseconds() {
        let (schema, batches) = read(encode(&frame(), "A").unwrap());
        assert_eq!(schema.metadata()["refId"], "A");
        assert_eq!(schema.metadata()["meta"], r#"{"type":"timeseries-multi","typeVersion":[0,1]}"#);
        let value = schema.field(1);
        assert_eq!(value.metadata()["labels"], r#"{"host":"a"}"#);
        assert_eq!(value.metadata()["config"], r#"{"unit":"reqps"}"#);
        let times = batches[0].column(0).as_primitive::<TimestampNanosecondType>();
        assert_eq!(times.values()[..], [1_000_000_000, 2_000_000_000]);
        assert_eq!(batches.len(), 1);
    }

    #[test]
    fn a_column_is_nullable_only_where_it_holds_a_null() {
        let (schema, batches) = read(encode(&frame(), "A").unwrap());
        let nullable: Vec<bool> = schema.fields().iter().map(|field| field.is_nullable()).collect();
        assert_eq!(nullable, [false, true, false, false]);
        assert!(batches[0].column(1).is_null(1));
        assert_eq!(batches[0].column(2).as_primitive::<Float64Type>().values()[..], [0.5, 0.75]);
    }

    #[test]
    fn a_list_is_json_in_a_binary_column() {
        let mut frame = frame();
        let lists = Values::List(vec![vec!["a,b".to_owned(), "\"".to_owned()], Vec::new()]);
        frame.fields.push(Field { values: lists, ..frame.fields[3].clone() });
        frame.fields.push(Field { values: Values::Flag(vec![true, false]), ..frame.fields[3].clone() });
        let (schema, batches) = read(encode(&frame, "A").unwrap());
        assert_eq!(schema.field(4).data_type(), &DataType::Binary);
        let column = batches[0].column(4).as_binary::<i32>();
        let lists: Vec<Vec<String>> =
            column.iter().map(|list| serde_json::from_slice(list.unwrap()).unwrap()).collect();
        assert_eq!(lists, [vec!["a,b".to_owned(), "\"".to_owned()], Vec::new()]);
        let flags = batches[0].column(5).as_boolean();
        assert!(flags.value(0) && !flags.value(1));
    }

    #[test]
    fn no_data_is_a_frame_without_fields() {
        let (schema, batches) = read(encode(&Frame::default(), "A").unwrap());
        assert!(schema.fields().is_empty());
        assert!(batches.iter().all(|batch| batch.num_rows() == 0));
    }

    #[test]
    fn columns_of_different_lengths_are_an_error() {
        let mut frame = frame();
        frame.fields.push(Field {
            name: "short".to_owned(),
            labels: crate::series::Labels::new(),
            config: Map::new(),
            values: Values::Number(vec![1.0]),
        });
        assert_eq!(encode(&frame, "A").unwrap_err().category(), Category::Internal);
    }
}
